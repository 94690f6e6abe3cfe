"""How a test names the servers it runs on."""

from collections.abc import Iterable
from operator import attrgetter

import pytest

from .servers import Server


def served_by(servers: Iterable[Server]) -> pytest.MarkDecorator:
    """Run a test on each of the servers, as its fixture `server`."""
    return pytest.mark.parametrize("server", list(servers), indirect=True, ids=attrgetter("name"))


def served_alone_by(servers: Iterable[Server]) -> pytest.MarkDecorator:
    """Run a test on each of the servers, started for this test, as its fixture `own_server`."""
    return pytest.mark.parametrize("own_server", list(servers), indirect=True, ids=attrgetter("name"))
