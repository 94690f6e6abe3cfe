"""The settings of this project are not those of the tests: they run it as a project of its own."""

collect_ignore_glob = ["*.py"]
