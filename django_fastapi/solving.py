"""What is known of a function before its dependencies are solved, found once.

Those that need no parameter are solved by a plan; `tests/test_seam.py` compares what comes of it with what FastAPI
itself does.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import starlette.concurrency
from fastapi.dependencies.models import Dependant
from starlette.requests import Request
from starlette.websockets import WebSocket

from .internals import get_cache_key, is_async_generator, is_coroutine, is_generator
from .requests import adjango_request

_MAX_ANALYSES: Final = 4096


class Step(NamedTuple):
    """The call of a dependency.

    Args:
        plan: How its own dependencies are solved.
        call: What is called.
        name: The parameter that its result is for, if any.
        key: By what FastAPI remembers the result in a request.
        uses_cache: Whether a result is taken that is there already.
        is_coroutine: Whether to await it, and not to run it on the request's thread.
    """

    plan: "Plan"
    call: Callable[..., Any]
    name: str | None
    key: Any
    uses_cache: bool
    is_coroutine: bool


class Plan(NamedTuple):
    """How a function is solved that takes nothing of the request but itself, and what its dependencies return.

    Args:
        dependant: The function as FastAPI has analysed it.
        steps: The calls of its dependencies, in their order.
        takes_request: Whether the request is one of its arguments.
    """

    dependant: Dependant
    steps: tuple[Step, ...]
    takes_request: bool

    def begin(self, request: Request | WebSocket) -> dict[str, Any]:
        """Return the arguments that are the request."""
        if not self.takes_request:
            return {}
        of = self.dependant
        own_name = of.request_param_name if isinstance(request, Request) else of.websocket_param_name
        return {name: request for name in (of.http_connection_param_name, own_name) if name}

    async def solve(self, request: Request | WebSocket, cache: dict[Any, Any]) -> dict[str, Any]:
        """Return the arguments, and keep in `cache` what the calls return."""
        values = self.begin(request)
        for step in self.steps:
            inner = await step.plan.solve(request, cache) if step.plan.steps else step.plan.begin(request)
            if step.uses_cache and step.key in cache:
                result = cache[step.key]
            elif step.is_coroutine:
                result = await step.call(**inner)
            else:
                result = await starlette.concurrency.run_in_threadpool(step.call, **inner)
            if step.name is not None:
                values[step.name] = result
            cache.setdefault(step.key, result)
        return values


class Analysis(NamedTuple):
    """What is known of a function.

    Args:
        dependant: The function as FastAPI has analysed it; with it kept, no other one can have its identity.
        dependencies: Those that it had when this was found out.
        plan: How it is solved; None if FastAPI has to, for a parameter, a generator or whatever else.
        reads_on_thread: Whether Django's request, and so the body, is for a synchronous function, of its dependencies
            or itself: a thread that waits for the client would be lost to all others.
    """

    dependant: Dependant
    dependencies: list[Dependant]
    plan: Plan | None
    reads_on_thread: bool


_analyses: dict[int, Analysis] = {}


def analyse(dependant: Dependant) -> Analysis:
    """Return what is known of a function."""
    known = _analyses.get(id(dependant))
    # Some packages add a dependency to routes that are there already.
    if known is None or known.dependant is not dependant or known.dependencies != dependant.dependencies:
        if len(_analyses) >= _MAX_ANALYSES:
            _analyses.clear()
        known = Analysis(
            dependant, list(dependant.dependencies), _make_plan(dependant), reads_on_thread=_reads_on_thread(dependant)
        )
        _analyses[id(dependant)] = known
    return known


def _reads_on_thread(dependant: Dependant) -> bool:
    is_synchronous = not (is_coroutine(dependant.call) or is_async_generator(dependant.call))
    return any(
        (is_synchronous and one.call is adjango_request) or _reads_on_thread(one) for one in dependant.dependencies
    )


def _make_plan(dependant: Dependant) -> Plan | None:
    if _takes_more_than_request(dependant):
        return None
    steps: list[Step] = []
    for one in dependant.dependencies:
        plan = _make_plan(one)
        if plan is None or one.concurrency or is_generator(one.call) or is_async_generator(one.call):
            return None
        call = cast("Callable[..., Any]", one.call)
        steps.append(
            Step(plan, call, one.name, get_cache_key(dependant=one), one.use_cache, is_coroutine=is_coroutine(call))
        )
    names = (dependant.http_connection_param_name, dependant.request_param_name, dependant.websocket_param_name)
    return Plan(dependant, tuple(steps), takes_request=any(names))


def _takes_more_than_request(dependant: Dependant) -> bool:
    return bool(
        dependant.path_params
        or dependant.query_params
        or dependant.header_params
        or dependant.cookie_params
        or dependant.body_params
        or dependant.background_tasks_param_name
        or dependant.response_param_name
        or dependant.security_scopes_param_name
    )
