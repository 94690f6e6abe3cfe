"""An exception as it is told to people: its chain, its group, and of its frames those of the project."""

import linecache
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Any, Final, cast

from django_fastapi.types import Scope

from .recordings import recorded_body

_PLUMBING: Final = frozenset(
    {
        "a2wsgi",
        "anyio",
        "asgiref",
        "asyncio",
        "channels",
        "concurrent",
        "contextlib",
        "daphne",
        "django_fastapi",
        "fastapi",
        "opentelemetry",
        "sentry_sdk",
        "starlette",
        "uvicorn",
    }
)
_LIBRARIES: Final = _PLUMBING | {"django", "pydantic", "threading"}
_DEEPEST: Final = 20
_CHOSEN: Final = ("app", "endpoint", "path_params", "root_path", "route")  # what FastAPI writes into a scope


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a traceback.

    Args:
        file: The path of its source.
        line: Its number there.
        function: What it is in.
        code: Its text, without indentation; empty if there is no source.
    """

    file: str
    line: int
    function: str
    code: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception, and what belongs to it.

    Args:
        kind: Its class, with the module unless that is `builtins`.
        message: Its text.
        notes: What was added to it with `add_note`.
        frames: From the outermost to where it was raised, without plumbing.
        folded: How many frames of plumbing were left out.
        cause: The exception it was raised from, or while which was handled; without what libraries handle themselves.
        is_direct: Whether it was raised `from` the cause.
        members: If it is a group, the exceptions in it.
    """

    kind: str
    message: str
    notes: Sequence[str]
    frames: Sequence[Frame]
    folded: int
    cause: "Failure | None"
    is_direct: bool
    members: Sequence["Failure"]


def describe(error: BaseException) -> Failure:
    """Return an exception as it is told, with its chain and its group."""
    return _describe(error, frozenset())


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its causes, and all that are in a group of them, each once."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop(0)
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [cause_of(one), *members_of(one)]


def scope_inside(error: BaseException, scope: Scope) -> Scope:
    """Return a scope with the route that was chosen further inside, where there are copies of it.

    Args:
        error: The exception, in whose frames the scopes are.
        scope: The scope of where it was caught.
    """
    for link in chain_of(error):
        for frame, _ in walk_tb(link.__traceback__):
            found: object = frame.f_locals.get("scope")
            if type(found) is dict:
                inside = cast("Scope", found)
                if recorded_body(inside) is recorded_body(scope):  # not that of a request which this one has made
                    scope = {**scope, **{name: inside[name] for name in _CHOSEN if name in inside}}
    return scope


def cause_of(error: BaseException) -> BaseException | None:
    """Return the exception before one, as a traceback tells it."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def members_of(error: BaseException) -> Sequence[BaseException]:
    """Return the exceptions in a group; none if it is no group."""
    if not isinstance(error, BaseExceptionGroup):
        return ()
    return cast("BaseExceptionGroup[BaseException]", error).exceptions


def text_of(error: BaseException) -> str:
    """Return the text of an exception, whose own `__str__` may fail."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 (whatever it is, there is another error to tell of)
        return f"<the text of this {type(error).__name__} cannot be had: {type(failure).__name__}>"


def is_plumbing(frame: FrameType) -> bool:
    """Return whether a frame belongs to what carries requests, and not to what somebody has written for this one."""
    return _package(frame) in _PLUMBING


def is_library(frame: FrameType) -> bool:
    """Return whether a frame belongs to plumbing, to Django or to Pydantic."""
    return _package(frame) in _LIBRARIES


def is_noise(error: BaseException, cause: BaseException) -> bool:
    """Return whether a library has caught the cause of an exception by itself, as Django does when it fills a cache.

    Args:
        error: The exception.
        cause: What `cause_of` returned for it.
    """
    return error.__cause__ is None and all(is_library(frame) for frame, _ in walk_tb(cause.__traceback__))


def to_json(failure: Failure) -> dict[str, Any]:
    """Return a failure as JSON has it; what there is nothing of is left out."""
    content: dict[str, Any] = {
        "type": failure.kind,
        "message": failure.message,
        "notes": list(failure.notes),
        "frames": [
            {"file": frame.file, "line": frame.line, "function": frame.function, "code": frame.code}
            for frame in failure.frames
        ],
        "folded": failure.folded,
        "exceptions": [to_json(member) for member in failure.members],
    }
    if failure.cause is not None:
        content["cause" if failure.is_direct else "context"] = to_json(failure.cause)
    return {name: value for name, value in content.items() if value or name in ("message", "frames")}


def user_frames(traceback: TracebackType | None) -> list[tuple[FrameType, int]]:
    """Return the frames of a traceback that are not plumbing, each with the number of its line.

    The last one is among them whatever it is: there the exception was raised.
    """
    found = list(_visible(traceback))
    return [(frame, line) for frame, line in found[:-1] if not is_plumbing(frame)] + found[-1:]


def _visible(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    # As Django: a few libraries ask for their frames to be hidden in this way.
    return (pair for pair in walk_tb(traceback) if not pair[0].f_locals.get("__traceback_hide__"))


def _describe(error: BaseException, above: frozenset[int]) -> Failure:
    inner = above | {id(error)}
    cause = cause_of(error)
    kept = user_frames(error.__traceback__)
    if cause is not None and (len(inner) >= _DEEPEST or id(cause) in inner or is_noise(error, cause)):
        cause = None
    return Failure(
        kind=_name(type(error)),
        message=text_of(error),
        notes=tuple(getattr(error, "__notes__", ())),
        frames=tuple(_frame(frame, line) for frame, line in kept),
        folded=sum(1 for _ in _visible(error.__traceback__)) - len(kept),
        cause=_describe(cause, inner) if cause is not None else None,
        is_direct=error.__cause__ is not None,
        members=tuple(_describe(member, inner) for member in members_of(error) if id(member) not in inner),
    )


def _package(frame: FrameType) -> str:
    name: str = frame.f_globals.get("__name__") or ""
    return name.partition(".")[0]


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _frame(frame: FrameType, line: int) -> Frame:
    code = frame.f_code
    module_globals: Mapping[str, Any] = frame.f_globals
    text = linecache.getline(code.co_filename, line, dict(module_globals)).strip()
    return Frame(code.co_filename, line, code.co_name, text)
