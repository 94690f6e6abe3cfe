"""Models and routes that belong to a server's settings: not to be imported for doctests."""

collect_ignore_glob = ["*.py"]
