"""Contestant: django-bolt, which brings a server of its own."""

from django_bolt import BoltAPI

from bench.work import register

api = BoltAPI(enable_logging=False)
register("bolt", api)
