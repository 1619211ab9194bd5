"""Answers that never end: in headers, in bodies, in redirects, in blocks that unpack to nothing or to everything."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from flows.settings import Settings
from flows.wordpress.egress import Egress, _spelt, is_public
from flows.wordpress.retrieval import Client
from schemas.errors import SourceError

Speak = Callable[[socket.socket, threading.Event], None]
LIMIT_S = 1.0


@contextmanager
def speaking(speak: Speak) -> Iterator[str]:
    """Serve every connection by ``speak``, which gets the socket once the request has come; yield the address."""
    over = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)

    def serve() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                connection, _ = server.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            speak(connection, over)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        thread.join()
        server.close()


def dripping(head: bytes, drop: bytes, pause: float) -> Speak:
    """Send a head, then the same drop for ever."""

    def speak(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        ends = time.monotonic() + 60
        while not over.is_set() and time.monotonic() < ends:
            connection.sendall(drop)
            over.wait(pause)

    return speak


def empty_blocks() -> bytes:
    """Return deflate blocks that unpack to nothing."""
    packer = zlib.compressobj(wbits=-15)
    return b"".join(packer.flush(zlib.Z_FULL_FLUSH) or b"\x00\x00\x00\xff\xff" for _ in range(1000))


GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
ENDLESS: dict[str, Speak] = {
    "status line": dripping(b"", b"H", 0.05),
    "headers": dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"a", 0.05),
    "interim answers": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.0),
    "body": dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"a", 0.05),
    "chunks": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", 0.05),
    "chunk extension": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a", 0.05),
    "trailers": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n", 0.0),
    "empty blocks": dripping(GZIP, empty_blocks(), 0.0),
    "large body": dripping(b"HTTP/1.1 200 OK\r\n\r\n", bytes(1 << 20), 0.0),
    "body of a redirect": dripping(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", bytes(1 << 20), 0.0),
    "slow body of a redirect": dripping(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b"a", 0.05),
}


@pytest.fixture
def client(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Client]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    settings = replace(
        settings, max_retries=0, answer_timeout_s=LIMIT_S, read_timeout_s=30.0, max_answer_bytes=8 << 20,
        allow_private=True,
    )  # fmt: skip
    with Client(settings, sleep=lambda _: None) as client:
        yield client


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_is_given_up(client: Client, name: str) -> None:
    began = time.monotonic()
    with speaking(ENDLESS[name]) as address, pytest.raises(SourceError) as caught:
        client.get(address + "/")
    # Nine answers at most, where each redirect has its own time.
    assert time.monotonic() - began < 12 * LIMIT_S + 10
    assert address in str(caught.value) or "127.0.0.1" in str(caught.value)
    assert client.traffic.requests <= 9


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_bomb_is_not_unpacked(client: Client, layers: int) -> None:
    body = bytes(64 << 20)
    for _ in range(layers):
        body = gzip.compress(body, 6)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {', '.join(['gzip'] * layers)}\r\nContent-Length: {len(body)}\r\n\r\n"

    def speak(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head.encode() + body)

    with speaking(speak) as address, pytest.raises(SourceError, match="larger than"):
        client.get(address + "/")


def test_redirects_are_requests(client: Client) -> None:
    def speak(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /more\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    client.settings = replace(client.settings, max_requests=4)
    with speaking(speak) as address, pytest.raises(SourceError, match="budget of 4 requests"):
        client.get(address + "/")
    assert client.traffic.requests == 4


@pytest.mark.parametrize(
    "target", [b"http://[::1", b"http://a b/", b"http://\xff\xfe/", b"//", b"http:///", b"x" * 9000]
)
def test_a_redirect_to_nonsense_is_named(client: Client, target: bytes) -> None:
    def speak(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\nContent-Length: 0\r\n\r\n")

    with speaking(speak) as address, pytest.raises(SourceError):
        client.get(address + "/")


# -- addresses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["::7f00:1", "::ffff:0:7f00:1", "fec0::1", "64:ff9b:1::a9fe:a9fe", "::a9fe:a9fe"])
def test_an_address_inside_an_address_is_what_counts(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", "a.localhost", "::1", "fe80::1%eth0"]
)
def test_however_a_private_address_is_spelt_a_proxy_is_not_asked_for_it(host: str) -> None:
    spelt = _spelt(host)
    assert spelt is not None and not is_public(spelt)
    with pytest.raises(SourceError, match="not on the open internet"):
        Egress("http://example.com", allow_private=False).require_allowed(host, 80)


def test_a_proxy_is_not_asked_for_private_addresses(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    asked: list[bytes] = []

    def speak(connection: socket.socket, over: threading.Event) -> None:
        asked.append(b"asked")
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n"
        )

    with speaking(speak) as address:
        monkeypatch.setenv("http_proxy", address)
        with (
            Client(replace(settings, max_retries=0), origin="http://blog.example") as client,
            pytest.raises(SourceError, match=r"169\.254\.169\.254:80"),
        ):
            client.get("http://blog.example/")
    assert asked == [b"asked"]


def test_an_origin_on_the_open_internet_does_not_move_into_our_network(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["93.184.215.14", "127.0.0.1"])

    def rebinding(host: str, port: int, **_: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    egress = Egress("http://rebind.example", allow_private=False)
    assert egress.addresses("rebind.example", 80) == ["93.184.215.14"]
    with pytest.raises(SourceError, match=r"127\.0\.0\.1"):
        egress.addresses("rebind.example", 80)


def test_a_name_with_addresses_of_both_kinds_leads_to_the_open_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(host: str, port: int, **_: Any) -> Any:
        return [(2, 1, 6, "", (address, port)) for address in ("10.0.0.1", "93.184.215.14", *["1.1.1.1"] * 500)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    for origin in ("http://other.example", "http://both.example"):
        found = Egress(origin, allow_private=False).addresses("both.example", 80)
        assert found[0] == "93.184.215.14" and len(found) <= 8 and all(map(is_public, found))
