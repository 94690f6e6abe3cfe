"""What can go wrong with a measurement."""


class BenchmarkError(Exception):
    """The measurement cannot be made, or would mean nothing; the message says why and what to do."""
