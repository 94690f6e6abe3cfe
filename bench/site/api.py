"""What this project's autodiscovery finds."""

from bench.work import register
from django_fastapi import api

register("ours", api)
