"""Where the calling code runs."""

import threading

from django.db import connection


def here() -> str:
    """Return the name of the thread."""
    return threading.current_thread().name


def backend() -> int:
    """Return the process id of PostgreSQL's side of the thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
    return pid
