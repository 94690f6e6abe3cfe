"""Where a request comes from and where it wants to go, by Django's rules, for Django and FastAPI alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from django.conf import settings
from django.http import HttpRequest

from .exceptions import BadRequest
from .proxies import Proxies, get_proxies, get_ssl_header, is_forwarding
from .types import Scope

_NAMES: Final = (
    b"content-length",
    b"content-type",
    b"host",
    b"proxy",
    b"transfer-encoding",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
)
_NUL, _LF, _CR = b"\0\n\r"  # as numbers: Python looks for those in a fraction of the time it takes for bytes
_ADDRESS: Final = ("META", "method", "path", "path_info")
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_FOR_WEBSOCKET: Final = {"http": "ws", "https": "wss"}


class AddressedRequest(HttpRequest):
    """As much of a Django request as Django's code for hosts, schemes and security headers looks at.

    It is made for every request, and an `ASGIRequest` costs ten times as much. What is rarely asked for is worked out
    when it is. `META` holds few headers.

    Args:
        scope: The ASGI scope.
        sent: The headers that count here, by their keys in `META`.
    """

    def __init__(self, scope: Scope, sent: dict[str, Any]) -> None:
        # Not Django's `__init__`, as in Django's own subclasses: it makes dictionaries that nobody here reads.
        self._scope = scope
        self.sent: dict[str, Any] = sent

    def __getattr__(self, name: str) -> Any:
        """Return what Django's `__init__` would have set of the address, all of which is set now."""
        if name not in _ADDRESS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        host, port = self._scope.get("server") or ("unknown", 0)
        query: bytes = self._scope.get("query_string", b"")
        addresses = {"SERVER_NAME": host, "SERVER_PORT": str(port), "QUERY_STRING": query.decode("utf-8", "replace")}
        self.META = {**self.sent, **addresses}
        self.method: str | None = self._scope.get("method", "GET")
        self.path: str = self._scope["path"]
        self.path_info: str = self.path
        return vars(self)[name]

    def _get_scheme(self) -> str:
        return _SCHEMES.get(self._scope.get("scheme", "http"), "http")


@dataclass(frozen=True, slots=True)
class Addressing:
    """How the addresses of a request are found.

    Args:
        proxies: Whose word counts; None if there are none.
        ssl_header: The header of `SECURE_PROXY_SSL_HEADER` as `META` has it, or None.
        uses_forwarded_host: `USE_X_FORWARDED_HOST`.
        keys: The headers that count here, and their keys in `META`.
    """

    proxies: Proxies | None
    ssl_header: str | None
    uses_forwarded_host: bool
    keys: dict[bytes, str]

    @classmethod
    def from_settings(cls) -> Self:
        """Return what the settings say at this moment.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        ssl_header = get_ssl_header()
        return cls(get_proxies() or None, ssl_header, settings.USE_X_FORWARDED_HOST, _make_keys(ssl_header))

    def address(self, scope: Scope) -> dict[str, Any]:
        """Return the headers that count here as `META` has them, and make the scope agree with the settings.

        What a trusted proxy says of client and scheme goes into the scope, and what Django's settings say of scheme and
        host: so `request.client`, `request.url` and `url_for` of FastAPI are as Django's request has them, and the host
        in them is the one that is validated.

        Args:
            scope: The scope of the request; it is changed.

        Raises:
            BadRequest: A header holds a control character that no header may hold, or there are two `Content-Type`.
        """
        headers: list[tuple[bytes, bytes]] = scope.get("headers", [])
        sent = self._read(headers)
        if "HTTP_PROXY" in sent:
            # https://httpoxy.org: what hands `META` to a child process as its environment sets the proxy of that one.
            del sent["HTTP_PROXY"]
            scope["headers"] = [header for header in headers if header[0] != b"proxy"]
        if self.proxies is not None:
            client = scope.get("client")
            if self.proxies.trust(client[0] if client else None):
                _believe(scope, self.proxies.find_client(sent.get("HTTP_X_FORWARDED_FOR", "")), sent)
            else:
                _disbelieve(scope, sent)
        self._agree(scope, sent)
        return sent

    def _read(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
        """Return the headers that count here: those sent twice in one, none with an underscore.

        Raises:
            BadRequest: One of all headers holds a control character, or there are two `Content-Type`.
        """
        everything = b"".join([part for header in headers for part in header])
        if _NUL in everything or _LF in everything or _CR in everything:
            # RFC 9110, section 5.5. Servers see to it, though not all to each.
            raise BadRequest("A header holds a control character.")
        keys = self.keys
        meta: dict[str, Any] = {}
        for name, value in headers:
            if name in keys:
                key, text = keys[name], value.decode("latin-1")
                if key not in meta:
                    meta[key] = text
                elif name == b"content-type":
                    # RFC 9110, section 8.3: who reads the first and who reads both would see another body.
                    raise BadRequest("There is more than one Content-Type.")
                else:
                    meta[key] = f"{meta[key]},{text}"
        return meta

    def _agree(self, scope: Scope, sent: dict[str, Any]) -> None:
        said: str = scope.get("scheme", "http")
        if self.ssl_header is None:
            scheme = _SCHEMES.get(said, "http")
        else:
            scheme = AddressedRequest(scope, sent).scheme or "http"
        scope["scheme"] = _FOR_WEBSOCKET[scheme] if scope["type"] == "websocket" else scheme
        if self.uses_forwarded_host and "HTTP_X_FORWARDED_HOST" in sent:
            # Django validates this one in the place of `Host`, which FastAPI builds its URLs from.
            host: str = sent["HTTP_X_FORWARDED_HOST"]
            others = [header for header in scope["headers"] if header[0] != b"host"]
            scope["headers"] = [(b"host", host.encode("latin-1")), *others]


def _make_keys(ssl_header: str | None) -> dict[bytes, str]:
    keys = {name: _key(name) for name in _NAMES}
    if ssl_header:
        keys[ssl_header.removeprefix("HTTP_").replace("_", "-").lower().encode()] = ssl_header
    return keys


def _key(name: bytes) -> str:
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key.startswith("CONTENT_") else f"HTTP_{key}"


def _believe(scope: Scope, client: str | None, meta: dict[str, Any]) -> None:
    if client is not None:
        scope["client"] = (client, 0)
    scheme = meta.get("HTTP_X_FORWARDED_PROTO", "").strip()
    if scheme in _SCHEMES:
        scope["scheme"] = scheme


def _disbelieve(scope: Scope, meta: dict[str, Any]) -> None:
    for key in list(meta):
        if is_forwarding(key):
            del meta[key]
    scope["headers"] = [
        header for header in scope["headers"] if b"_" in header[0] or not is_forwarding(_key(header[0]))
    ]
