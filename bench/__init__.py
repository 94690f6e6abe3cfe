"""The benchmark of this repository: `make bench`, or `python -m bench --help`."""
