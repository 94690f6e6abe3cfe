"""What FastAPI knows of the request that failed."""

import inspect
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pprint import pformat
from typing import Any, Final, TypeAlias, cast
from urllib.parse import parse_qsl

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.routing import BaseRoute

from django_fastapi.content_types import FORMS, URLENCODED
from django_fastapi.matches import match
from django_fastapi.requests import make_django_request
from django_fastapi.secret_fields import BODY, declared_secrets, lone_body
from django_fastapi.secret_names import names_secret
from django_fastapi.types import Scope

from .masking import STARS, mask, scrub, secrets_in, secrets_of_request
from .recordings import RecordedBody, recorded_body

Rows: TypeAlias = Sequence[tuple[str, str]]

_ALL: Final = "__ALL__"  # Django's mark of `sensitive_post_parameters()` without names


@dataclass(frozen=True, slots=True)
class Panel:
    """The request, in texts without secrets.

    Args:
        method: The method; `WEBSOCKET` for a WebSocket.
        path: The path.
        route: The path of the route with the names of its parameters; empty if none was chosen.
        api: The name of the API that has it.
        endpoint: The dotted name of the endpoint.
        source: The file and the line of the endpoint.
        groups: Headings, and under each of them names and values.
        body: The body, if it is no form.
        secrets: What the client sent that must not be shown wherever it turns up.
    """

    method: str
    path: str
    route: str
    api: str
    endpoint: str
    source: str
    groups: Sequence[tuple[str, Rows]]
    body: str
    secrets: frozenset[str]


def make_panel(scope: Scope, django_request: HttpRequest | None, more_secrets: Iterable[str] = ()) -> Panel:
    """Return what is known of a request.

    Args:
        scope: The scope, of as far inside as it is known.
        django_request: Django's request for it, on which `sensitive_post_parameters` leaves its names.
        more_secrets: What must not be shown either.
    """
    recorded, headers = recorded_body(scope), Headers(raw=scope["headers"])
    form = _read_form(scope, recorded)
    content = None if form or recorded is None else _read_json(recorded)
    hidden = _hidden(scope.get("route"), django_request, form, content)
    content, path = _named(content, scope.get("route"), hidden), scope.get("path_params", {})
    found, endpoint = match(scope), scope.get("endpoint")
    query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    written = b"&".join((scope.get("query_string", b""), _urlencoded(scope, recorded) if form else b""))
    secrets = secrets_of_request(scope["headers"], written, content, hidden)
    sent = [*query, *headers.items(), *form, *((name, str(value)) for name, value in path.items())]
    secrets = secrets.union(secrets_in(sent, hidden), more_secrets)
    return Panel(
        method=scope.get("method", "WEBSOCKET"),
        path=scrub(scope["path"], secrets),
        route=f"/{found.route}" if found is not None else "",
        api=".".join(found.namespaces) if found is not None else "",
        endpoint=_name(endpoint),
        source=_source(endpoint),
        groups=[
            (heading, rows)
            for heading, rows in (
                ("Path", _rows(path.items(), hidden)),
                ("Query", _rows(query, hidden)),
                ("Headers", _rows(headers.items(), hidden)),
                ("Cookies", [(name, STARS) for name in cookie_parser(headers.get("cookie", ""))]),
                ("Form", _rows(form, hidden)),
            )
            if rows
        ],
        body="" if form else _body_text(mask(content, hidden), recorded),
        secrets=secrets,
    )


def _read_form(scope: Scope, recorded: RecordedBody | None) -> list[tuple[str, str]]:
    """Return the fields and the files of a form, as Django parses it; none if the body is no form, or too long."""
    if recorded is None or recorded.is_cut or _kind(scope) not in FORMS:
        return []
    try:
        request = make_django_request({**scope, "type": "http", "method": "POST"}, bytes(recorded.content))
        request.META["CONTENT_LENGTH"] = str(recorded.size)
        fields = [(name, value) for name, values in request.POST.lists() for value in values]
        files = [(name, file) for name, found in request.FILES.lists() for file in found]
    except (ValueError, BadRequest, SuspiciousOperation, MultiPartParserError):
        return []
    return [*map(_text_pair, fields), *((str(name), f"<{file.name}, {file.size} bytes>") for name, file in files)]


def _urlencoded(scope: Scope, recorded: RecordedBody | None) -> bytes:
    """Return the body of a form that is written as a query is."""
    return bytes(recorded.content) if recorded is not None and _kind(scope) == URLENCODED else b""


def _kind(scope: Scope) -> str:
    return Headers(raw=scope["headers"]).get("content-type", "").partition(";")[0].strip().lower()


def _text_pair(pair: tuple[Any, Any]) -> tuple[str, str]:
    return str(pair[0]), str(pair[1])


def _read_json(recorded: RecordedBody) -> Any:
    """Return what a body in JSON says; None if it is something else, or too long to be all there."""
    try:
        return None if recorded.is_cut else json.loads(recorded.content)
    except (ValueError, RecursionError):
        return None


def _hidden(
    route: object, django_request: HttpRequest | None, form: Iterable[tuple[str, str]], content: Any
) -> frozenset[str]:
    """Return the names of what the route declares as secret, and what `sensitive_post_parameters` names."""
    declared = declared_secrets(route) if isinstance(route, BaseRoute) else frozenset[str]()
    names: Any = getattr(django_request, "sensitive_post_parameters", ())
    if names != _ALL:
        return declared.union(names)
    members = cast("dict[str, Any]", content) if isinstance(content, dict) else {}
    return declared.union(members, (name for name, _ in form))


def _named(content: Any, route: object, hidden: frozenset[str]) -> Any:
    """Return a body that is the value of one secret parameter under a name by which it is masked."""
    lone = lone_body(route) if isinstance(route, BaseRoute) else None
    if BODY in hidden or (lone is not None and names_secret(lone)):
        return {BODY if BODY in hidden else lone: content}
    return content


def _rows(pairs: Iterable[tuple[str, Any]], hidden: frozenset[str]) -> Rows:
    return [(name, STARS if names_secret(name) or name in hidden else str(value)) for name, value in pairs]


def _body_text(content: Any, recorded: RecordedBody | None) -> str:
    """Return a body as a text: that of something else than JSON may have secrets in it that nobody knows of."""
    if recorded is None or not recorded.size:
        return ""
    if content is None:
        return f"{recorded.size} bytes, which are not shown: they are no JSON, or more than is kept"
    return pformat(content, width=100, sort_dicts=False)


def _name(endpoint: Any) -> str:
    if endpoint is None:
        return ""
    name = getattr(endpoint, "__qualname__", None) or type(endpoint).__qualname__
    return f"{getattr(endpoint, '__module__', '')}.{name}"


def _source(endpoint: Any) -> str:
    """Return where an endpoint is written; empty if Python cannot tell."""
    code = getattr(inspect.unwrap(endpoint) if callable(endpoint) else None, "__code__", None)
    return f"{code.co_filename}, line {code.co_firstlineno}" if code is not None else ""
