"""The example project: its settings and its URLs."""
