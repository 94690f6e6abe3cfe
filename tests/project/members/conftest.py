"""Collected in a process of its own only: the user model of a process cannot be changed."""

collect_ignore_glob = ["*"]
