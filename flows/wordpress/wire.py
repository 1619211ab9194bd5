"""One answer on the wire: bounded from its first byte, however slowly or endlessly it comes; its failures are named.

The timeouts of the HTTP libraries hold for a single read. A server that sends a byte now and then, headers without
end, interim answers (``100 Continue``) one after the other, or compressed blocks that unpack to nothing, would keep
them waiting for ever. Here every read of the socket knows how much time and how many bytes its answer has left.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from schemas.errors import SourceError, TransientSourceError

# Chunked transfer and compression that does not compress make more of an answer than its body.
_OVERHEAD = 2
_HEADERS = 1024 * 1024


class AnswerTooSlow(Exception):
    """An answer was not complete in its time."""


class AnswerTooLarge(Exception):
    """More came than the largest answer allowed could take."""


class _Bounded(io.RawIOBase):
    """The bytes of one answer as they come from a socket."""

    def __init__(self, raw: Any, sock: socket.socket, seconds: float, most: int) -> None:
        self._raw, self._sock = raw, sock
        self._deadline, self._left = time.monotonic() + seconds, most
        self._patience = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise AnswerTooSlow
        is_last_wait = self._patience is None or left < self._patience
        try:
            if is_last_wait:
                self._sock.settimeout(left)
            size: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            if is_last_wait:
                raise AnswerTooSlow from None
            raise
        finally:
            if is_last_wait and self._sock.fileno() >= 0:
                self._sock.settimeout(self._patience)
        self._left -= size or 0
        if self._left < 0:
            raise AnswerTooLarge
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


def bounded_answers(seconds: float, most_bytes: int) -> type[http.client.HTTPResponse]:
    """Return the class of answers that take at most so long from status line to last byte, and hold at most so much."""
    most = _OVERHEAD * most_bytes + _HEADERS

    class BoundedAnswer(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *given: Any, **more: Any) -> None:
            super().__init__(sock, *given, **more)
            self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock, seconds, most))

    return BoundedAnswer


def mapped(error: Exception, url: str) -> SourceError:
    """Return our error for one of requests' or, while a body is read, urllib3's; each class falls in one of these."""
    host = urlsplit(url).netloc
    kinds = requests.exceptions
    if isinstance(error, kinds.SSLError):
        return SourceError(
            f"Cannot trust the certificate of {host}: {_cause(error)}.",
            remedy="Check the address; PRESSLAKE_VERIFY_TLS=0 turns the check off.",
            url=url,
        )
    if isinstance(error, kinds.Timeout | urllib3.exceptions.TimeoutError):
        return TransientSourceError(f"{host} did not answer in time.", remedy="Try again later.", url=url)
    if isinstance(error, kinds.InvalidURL | kinds.MissingSchema | kinds.InvalidSchema):
        return SourceError(f"{url} is not an address that can be fetched.", remedy="Check it.", url=url)
    if isinstance(error, kinds.ConnectionError | kinds.ContentDecodingError | urllib3.exceptions.HTTPError):
        return TransientSourceError(
            f"Cannot reach {host}: {_cause(error)}.", remedy="Check the address and your connection.", url=url
        )
    return SourceError(f"Cannot fetch {url}: {_cause(error)}.", url=url)


def _cause(error: BaseException) -> str:
    text = str(error)
    for sign, plain in (
        ("Name or service not known", "there is no such host"),
        ("Temporary failure in name resolution", "the host's name cannot be resolved"),
        ("nodename nor servname", "there is no such host"),
        ("No address associated", "there is no such host"),
        ("Failed to resolve", "the host's name cannot be resolved"),
        ("NameResolutionError", "the host's name cannot be resolved"),
        ("Connection refused", "the connection was refused"),
        ("Network is unreachable", "the network is unreachable"),
        ("Connection reset", "the connection was reset"),
        ("RemoteDisconnected", "the connection was closed without an answer"),
        ("IncompleteRead", "the answer broke off"),
    ):
        if sign in text:
            return plain
    return (text.splitlines() or [type(error).__name__])[0][:200].rstrip(".")
