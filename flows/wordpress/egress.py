"""Where a site may lead us: to public addresses, and to the very origin that the user named; not into our own network.

Redirects, Link headers, sitemaps and feeds are the site's words. An address in them that resolves to loopback, a private
network, or a cloud's metadata service is refused when the connection is made: the resolved address is checked, and it is
the one that is connected to, so that a name which resolves differently a moment later gains nothing. (Behind a proxy the
proxy resolves and connects; what it reaches is its own affair.)
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests.adapters
from urllib3 import connectionpool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError

from schemas.errors import SourceError

_USUAL = {"http": 80, "https": 443}
# IPv4 behind an IPv6 network's translator (RFC 6052): what counts is the address inside.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
# For protocols, not for hosts (RFC 6890); Python's releases differ on parts of it.
_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the open internet.

    >>> is_public("169.254.169.254"), is_public("::ffff:10.0.0.1"), is_public("1.1.1.1")
    (False, False, True)
    """
    found = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(found, ipaddress.IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _TRANSLATED:
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inside is not None:
            found = inside
    return found.is_global and not found.is_multicast and found not in _PROTOCOLS


class Egress:
    """What may be connected to during the reading of one site."""

    def __init__(self, origin: str, *, allow_private: bool) -> None:
        """Trust the origin of the address that the user gave, wherever it is."""
        self._origin = urlsplit(origin)
        self._allow_private = allow_private

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the IP addresses of a host that may be connected to, in the system's order.

        Raises:
            SourceError: it has none but in a network that is not public.
            OSError: it has none.
        """
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        if self._allow_private or self._is_origin(host, port):
            return found
        public = [address for address in found if is_public(address)]
        if not public:
            raise SourceError(
                f"The site leads to {host}:{port}, which is at {found[0]}, not on the open internet.",
                remedy="If that is meant to be, give --allow-private or name that address yourself.",
            )
        return public

    def _is_origin(self, host: str, port: int) -> bool:
        if host.lower() != (self._origin.hostname or "").lower():
            return False
        given = _port(self._origin)
        # A site may move its visitors between http and https.
        return port == given or {port, given} == set(_USUAL.values())


def _port(parts: SplitResult) -> int:
    return parts.port or _USUAL.get(parts.scheme, 443)


class EgressAdapter(requests.adapters.HTTPAdapter):
    """Connects to what ``Egress`` lets through."""

    def __init__(self, egress: Egress) -> None:
        """Keep the rule for every pool of connections to come."""
        self._egress = egress
        super().__init__()

    def init_poolmanager(self, *given: Any, **more: Any) -> None:
        """Make pools whose connections ask first."""
        super().init_poolmanager(*given, **more)
        egress = self._egress

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _connected(self, egress)

        class Encrypted(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return _connected(self, egress)

        class PlainPool(connectionpool.HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(connectionpool.HTTPSConnectionPool):
            ConnectionCls = Encrypted

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": EncryptedPool}


def _connected(connection: HTTPConnection, egress: Egress) -> socket.socket:
    """Connect as urllib3 does, but only to addresses that were let through."""
    host, named = connection._dns_host, connection.host
    try:
        addresses = egress.addresses(host, connection.port)
    except socket.gaierror as error:
        raise NameResolutionError(named, connection, error) from error
    failure: Exception | None = None
    for address in addresses:
        # urllib3 maps what goes wrong by the name it connects to.
        connection._dns_host = address
        try:
            return HTTPConnection._new_conn(connection)
        except Exception as error:
            failure = error
        finally:
            connection._dns_host = host
    assert failure is not None
    raise failure
