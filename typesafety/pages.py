"""What a type checker tells who makes pages; checked by `make types`, never run."""

from typing import Any, assert_type

from django.contrib.messages.storage.base import Message
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from django_fastapi import DjangoRequest
from django_fastapi.middleware import DjangoMiddleware
from django_fastapi.shortcuts import Session, arender, localize, messages, redirect, render, reverse

api = FastAPI(dependencies=[localize(language=lambda: "de", time_zone=lambda: None)])
api.add_middleware(DjangoMiddleware, middleware="django.middleware.gzip.GZipMiddleware")

assert_type(DjangoMiddleware.route_class("django.middleware.csrf.CsrfViewMiddleware"), type[APIRoute])
router = APIRouter(route_class=DjangoMiddleware.route_class("django.middleware.csrf.CsrfViewMiddleware"))


@router.get("/sync")
def sync_page(request: Request, session: Session) -> HTMLResponse:
    session["seen"] = True
    assert_type(session["seen"], Any)
    assert_type(messages.get_messages(request), list[Message])
    messages.success(request, "Saved.")
    assert_type(reverse("api:sync_page", query={"a": 1}), str)
    return render(request, "page.html", {"a": 1}, status=201, headers={"X-A": "1"})


@router.get("/async")
async def async_page(request: DjangoRequest) -> HTMLResponse:
    assert_type(await messages.aget_messages(request), list[Message])
    return await arender(request, ["first.html", "second.html"])


@router.post("/form")
async def form() -> RedirectResponse:
    assert_type(redirect("api:sync_page", pk=1), RedirectResponse)
    return redirect("https://partner.example/", allowed_hosts={"partner.example"})
