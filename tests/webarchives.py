"""Web archives, made record by record as crawlers write them."""

from __future__ import annotations

HTML = "text/html; charset=utf-8"


def page(title: str, text: str = "The harbour lies still in the morning, and the boats come home at noon.") -> bytes:
    paragraphs = "".join(f"<p>{text} {number} boats were seen by the keeper that day.</p>" for number in range(6))
    return (
        f"<!DOCTYPE html><html><head><title>{title}</title></head><body><article><h1>{title}</h1>{paragraphs}"
        "</article></body></html>"
    ).encode()


def record(
    url: str,
    body: bytes = b"",
    *,
    status: str = "200 OK",
    type: str = HTML,
    kind: str = "response",
    date: str = "2024-01-02T03:04:05Z",
    headers: str = "",
    length: int | None = None,
) -> bytes:
    """Return one record; ``length`` is what it says of its own length where that is wrong."""
    block = f"HTTP/1.1 {status}\r\nContent-Type: {type}\r\n{headers}\r\n".encode() + body
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: {date}\r\n"
        "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000001>\r\n"
        f"Content-Type: application/http; msgtype={kind}\r\n"
        f"Content-Length: {len(block) if length is None else length}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"
