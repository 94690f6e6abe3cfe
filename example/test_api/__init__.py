"""The smallest API: one sync and one async endpoint over a model of Django."""
