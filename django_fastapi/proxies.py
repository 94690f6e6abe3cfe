"""Which proxies are believed, and what they say of the client.

Two parties may say that a forwarding header counts: Django's settings, one header each and whoever sent it
(`SECURE_PROXY_SSL_HEADER`, `USE_X_FORWARDED_HOST`, `USE_X_FORWARDED_PORT`), and `FASTAPI_TRUSTED_PROXIES`, all of them
but only from these peers. With the latter set, the headers of everybody else are taken away, so that Django's settings
do not believe them either.
"""

import functools
import ipaddress
from dataclasses import dataclass
from typing import Final

from django.conf import settings as django_settings

from . import settings
from .types import WSGIEnvironment

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MOST_HOPS: Final = 20  # parsing thousands of addresses is work that a client could order
_FORWARDED: Final = "HTTP_FORWARDED"
_X_FORWARDED: Final = "HTTP_X_FORWARDED_"


@dataclass(frozen=True, slots=True)
class Proxies:
    """The peers that `FASTAPI_TRUSTED_PROXIES` names.

    Args:
        networks: Their networks; a single address is a network of one.
        has_socket: Whether a peer without an address is one of them: it came through a Unix socket.
    """

    networks: tuple[Network, ...]
    has_socket: bool

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return self.has_socket or bool(self.networks)

    def trust(self, peer: str | None) -> bool:
        """Return whether a peer is one of them.

        Args:
            peer: Its IP address; None or an empty string if it has none.
        """
        if not peer:
            return self.has_socket
        address = _parse(peer)
        return address is not None and self._hold(address)

    def find_client(self, forwarded_for: str) -> str | None:
        """Return the address of the client, by the `X-Forwarded-For` header that a trusted peer sent.

        Every proxy appends the address it was called from, so the last that is not a proxy's own is the client's; what
        stands before that is the client's invention. What is no address ends the search.
        """
        client: Address | None = None
        for entry in reversed(forwarded_for.rsplit(",", _MOST_HOPS)):
            address = _parse(_without_port(entry.strip()))
            if address is None:
                break
            client = address
            if not self._hold(address):
                break
        return None if client is None else str(client)

    def _hold(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def get_proxies() -> Proxies:
    """Return the proxies of `FASTAPI_TRUSTED_PROXIES`.

    Raises:
        ConfigurationError: The setting is wrong.
    """
    return _make(tuple(settings.TRUSTED_PROXIES.get()))


def get_ssl_header() -> str | None:
    """Return the header of `SECURE_PROXY_SSL_HEADER` as `META` has it, or None."""
    setting: tuple[str, str] | None = django_settings.SECURE_PROXY_SSL_HEADER
    return setting[0] if setting else None


def is_forwarding(key: str) -> bool:
    """Return whether a key of `META` is that of a header in which a proxy tells of the client."""
    return key.startswith(_X_FORWARDED) or key in (_FORWARDED, get_ssl_header())


def drop_untrusted(environ: WSGIEnvironment) -> None:
    """Take away the forwarding headers of a WSGI request that no setting trusts.

    A WSGI server has put `X_Forwarded_For` and `X-Forwarded-For` under one key, and a proxy that sets the one may let
    the other pass: what the client made up cannot be told from what the proxy says.
    """
    proxies = get_proxies()
    if proxies.trust(environ.get("REMOTE_ADDR")):
        return
    believed = frozenset[str]() if proxies else _believed_by_django()
    for key in [key for key in environ if key.startswith("HTTP_") and is_forwarding(key)]:
        if key not in believed:
            del environ[key]


def _believed_by_django() -> frozenset[str]:
    believed = {get_ssl_header()}
    if django_settings.USE_X_FORWARDED_HOST:
        believed.add("HTTP_X_FORWARDED_HOST")
    if django_settings.USE_X_FORWARDED_PORT:
        believed.add("HTTP_X_FORWARDED_PORT")
    return frozenset(key for key in believed if key)


@functools.lru_cache(maxsize=8)
def _make(names: tuple[str, ...]) -> Proxies:
    networks = tuple(ipaddress.ip_network(name) for name in names if name != settings.UNIX_SOCKET)
    return Proxies(networks, settings.UNIX_SOCKET in names)


def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A server that listens on both kinds of addresses has IPv4 peers in IPv6 form (RFC 4291, section 2.5.5.2).
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
