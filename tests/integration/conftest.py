from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .servers import Running, Server, prepare, running


@pytest.fixture(scope="session")
def site_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    prepare(directory)
    return directory


@pytest.fixture(scope="session")
def serve(site_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Server], Running]]:
    """Give a running server, started when it is first asked for and kept for all tests, whatever their order."""
    started: dict[str, Running] = {}
    with ExitStack() as stack:

        def get(server: Server) -> Running:
            one = started.get(server.name)
            if one is None or one.process.poll() is not None:
                directory = tmp_path_factory.mktemp(server.name)
                one = started[server.name] = stack.enter_context(running(server, site_data, directory))
            return one

        yield get


@pytest.fixture
def server(request: pytest.FixtureRequest, serve: Callable[[Server], Running]) -> Running:
    """Give the running server that `served_by` names for a test."""
    return serve(request.param)


@pytest.fixture
def own_server(request: pytest.FixtureRequest, site_data: Path, tmp_path: Path) -> Iterator[Running]:
    """Give a server that nobody else uses, for tests that end it."""
    with running(request.param, site_data, tmp_path) as one:
        yield one
