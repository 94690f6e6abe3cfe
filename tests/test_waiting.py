import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpRequest, HttpResponse
from fastapi import FastAPI

from django_fastapi.middleware import DjangoMiddleware
from django_fastapi.tasks import FutureTask
from django_fastapi.types import ASGIApp
from django_fastapi.waiting import WaitingThread


def here() -> int:
    return threading.get_ident()


def add(thread: WaitingThread, function: Callable[[], Any]) -> "Future[Any] | None":
    task = FutureTask(function)
    return task.future if thread.add(task) else None


def finish(future: "Future[None]") -> None:
    future.set_result(None)


def test_it_runs_what_is_added_while_it_waits() -> None:
    thread, done = WaitingThread(), Future[None]()
    results = [add(thread, here), add(thread, lambda: finish(done)), add(thread, here)]
    thread.work_until(done)
    assert [result is not None and result.done() for result in results] == [True, True, False]
    thread.work_until(done)
    assert results[2] is not None
    assert not results[2].done()
    thread.close()
    assert {result.result() for result in (results[0], results[2]) if result} == {here()}
    assert add(thread, here) is None


def test_the_inner_wait_runs_what_was_given_to_the_outer_one() -> None:
    outer, outer_done, inner_done = WaitingThread(), Future[None](), Future[None]()
    given: list[Any] = []

    def wait_again() -> None:
        inner = WaitingThread(outer)
        given.append(add(outer, here))
        given.append(add(inner, lambda: finish(inner_done)))
        inner.work_until(inner_done)
        inner.close()
        given.append(add(inner, here))
        given.append(add(inner, lambda: finish(outer_done)))

    add(outer, wait_again)
    outer.work_until(outer_done)
    outer.close()
    assert [one.done() for one in given] == [True] * 4
    assert add(WaitingThread(outer), here) is not None
    assert add(outer, here) is None


def test_it_is_woken_from_another_thread() -> None:
    thread, done = WaitingThread(), Future[None]()
    timer = threading.Timer(0.01, lambda: add(thread, lambda: finish(done)))
    timer.start()
    thread.work_until(done)
    timer.join()


@pytest.mark.parametrize("path", ["/def", "/async"])
def test_below_a_foreign_async_to_sync_asgiref_waits(api: FastAPI, build: Callable[[], ASGIApp], path: str) -> None:
    """The application borrows the thread that waits in `async_to_sync`, and a middleware waits on it once more."""
    places: list[int] = []

    def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
        def call(request: HttpRequest) -> HttpResponse:
            places.append(here())
            return get_response(request)

        return call

    api.add_middleware(DjangoMiddleware, middleware=middleware)

    @api.get("/def")
    def sync() -> None:
        places.append(here())

    @api.get("/async")
    async def asynchronous() -> None:
        places.append(await sync_to_async(here)())

    assert async_to_sync(_status)(build(), path) == 200
    assert places == [here()] * 2


async def _status(app: ASGIApp, path: str) -> int:
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"host", b"testserver")]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "query_string": b"", "scheme": "http"}
    await app(scope, receive, send)
    return statuses[0]
