import fcntl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.integration.servers import running

from .loads import Database, Load, Loaded, migrate, postgres_database, postgres_server

Databases = Callable[[str], Database]


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Give a function that returns the migrated database of a kind."""
    made: dict[str, Database] = {}
    with ExitStack() as stack:

        def get(kind: str) -> Database:
            if kind not in made:
                directory = tmp_path_factory.mktemp(f"threads-{kind}")
                if kind == "postgres":
                    url = stack.enter_context(postgres_database(postgres_server()))
                else:
                    url = f"sqlite:///{directory / 'db.sqlite3'}"
                made[kind] = migrate(url, directory)
            return made[kind]

        yield get


Start = Callable[[Load], Loaded]


@contextmanager
def _starting(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Give a function that returns a running server, started when it is first asked for."""
    started: dict[str, Loaded] = {}
    with ExitStack() as stack:

        def get(load: Load) -> Loaded:
            one = started.get(load.name)
            if one is None or one.running.process.poll() is not None:
                database = databases(load.database)
                directory = tmp_path_factory.mktemp(load.name)
                process = stack.enter_context(running(load.server(database), database.directory, directory))
                one = started[load.name] = Loaded(process, database)
            return one

        yield get


def _scope_for_all(fixture_name: str, config: pytest.Config) -> Literal["module", "session"]:  # noqa: ARG001
    return "module" if hasattr(config, "workerinput") else "session"


@pytest.fixture(scope="module", autouse=True)
def _alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the modules of two processes of xdist apart: PostgreSQL has not enough connections for their servers."""
    if not hasattr(request.config, "workerinput"):
        yield
        return
    with (tmp_path_factory.getbasetemp().parent / "threads.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests time to wait for each other."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope=_scope_for_all)
def start_for_all(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    with _starting(databases, tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def start_for_module(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    with _starting(databases, tmp_path_factory) as start:
        yield start


@pytest.fixture
def loaded(request: pytest.FixtureRequest, start_for_all: Start, start_for_module: Start) -> Loaded:
    """Give the running server that `loaded_on` names."""
    load: Load = request.param
    return (start_for_all if load.is_shared else start_for_module)(load)


@pytest.fixture
def own_loaded(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[Loaded]:
    """Give a server that nobody else uses, for tests that end it."""
    load: Load = request.param
    database = databases(load.database)
    with running(load.server(database), database.directory, tmp_path) as process:
        yield Loaded(process, database)
