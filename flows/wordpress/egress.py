"""Where a site may lead us: to public addresses, and to the very origin that the user named; not into our own network.

Redirects, Link headers, sitemaps and feeds are the site's words. An address in them that resolves to loopback, a private
network, or a cloud's metadata service is refused when the connection is made: the resolved address is checked, and it is
the one that is connected to, so that a name which resolves differently a moment later gains nothing. (Behind a proxy the
proxy resolves and connects; what it reaches is its own affair.)
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests.adapters
from urllib3 import connectionpool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError

from schemas.errors import SourceError

_MOST_ADDRESSES = 8
_USUAL = {"http": 80, "https": 443}
# IPv4 behind an IPv6 network's translator (RFC 6052, RFC 7915), or in the form once meant for the change to IPv6
# (RFC 4291): what counts is the address inside.
_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::ffff:0:0:0/96", "::/96")))
# For translators and sites of their own (RFC 8215, RFC 3879); Python's releases differ on them.
_LOCAL = (ipaddress.IPv6Network("64:ff9b:1::/48"), ipaddress.IPv6Network("fec0::/10"))
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
        if any(found in network for network in _LOCAL):
            return False
        if any(found in network for network in _TRANSLATED):
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inside is not None:
            found = inside
    return found.is_global and not found.is_multicast and found not in _PROTOCOLS


def _spelt(host: str) -> str | None:
    """Return the IP address that a host's name is, however it is spelt (``0x7f.1``, ``2130706433``), if it is one."""
    if host == "localhost" or host.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host.split("%", 1)[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host)) if host[:1].isdigit() else None
    except (OSError, UnicodeEncodeError):
        return None


class Egress:
    """What may be connected to during the reading of one site."""

    def __init__(self, origin: str, *, allow_private: bool) -> None:
        """Trust the origin of the address that the user gave, wherever it is."""
        self._origin = urlsplit(origin)
        self._allow_private = allow_private
        self._is_origin_public = False

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the IP addresses of a host that may be connected to, in the system's order.

        Raises:
            SourceError: it has none but in a network that is not public.
            OSError: it has none.
        """
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        public = [address for address in found if is_public(address)]
        if self._allow_private:
            return found[:_MOST_ADDRESSES]
        if self._is_origin(host, port):
            # What was on the open internet when we first asked does not move into our network while it is read.
            self._is_origin_public = self._is_origin_public or bool(public)
            if not self._is_origin_public:
                return found[:_MOST_ADDRESSES]
        if not public:
            raise self._refused(host, port, found[0])
        # Each may take its own time to refuse.
        return public[:_MOST_ADDRESSES]

    def require_allowed(self, host: str, port: int) -> None:
        """Refuse a host that is spelt as an address of a private network, without asking any resolver.

        Raises:
            SourceError: it is one.
        """
        if self._allow_private or self._is_origin(host, port):
            return
        address = _spelt(host)
        if address is not None and not is_public(address):
            raise self._refused(host, port, address)

    def _refused(self, host: str, port: int, address: str) -> SourceError:
        return SourceError(
            f"The site leads to {host}:{port}, which is at {address}, not on the open internet.",
            remedy="If that is meant to be, give --allow-private or name that address yourself.",
        )

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

    def __init__(self, egress: Egress, answers: type[http.client.HTTPResponse] = http.client.HTTPResponse) -> None:
        """Keep the rule, and the class of answers, for every pool of connections to come."""
        self._egress, self._answers = egress, answers
        super().__init__()

    def init_poolmanager(self, *given: Any, **more: Any) -> None:
        """Make pools whose connections ask first."""
        super().init_poolmanager(*given, **more)
        self.poolmanager.pool_classes_by_scheme = _pools(self._answers, self._egress)

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        """Make pools that leave it to the proxy where to connect; what answers is bounded all the same."""
        manager = super().proxy_manager_for(proxy, **more)
        manager.pool_classes_by_scheme = _pools(self._answers, None)
        return manager

    def send(self, request: requests.PreparedRequest, *given: Any, **more: Any) -> requests.Response:
        """Refuse addresses that are plainly private, which a proxy would otherwise be asked for."""
        parts = urlsplit(request.url or "")
        self._egress.require_allowed(parts.hostname or "", _port(parts))
        return super().send(request, *given, **more)


def _pools(answers: type[http.client.HTTPResponse], egress: Egress | None) -> dict[str, Any]:
    class Plain(HTTPConnection):
        response_class = answers

        def _new_conn(self) -> socket.socket:
            return super()._new_conn() if egress is None else _connected(self, egress)

    class Encrypted(HTTPSConnection):
        response_class = answers

        def _new_conn(self) -> socket.socket:
            return super()._new_conn() if egress is None else _connected(self, egress)

    class PlainPool(connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(connectionpool.HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


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
