"""Web archives (WARC 0.18 to 1.1), read record by record from a stream, plain or compressed with gzip.

Records are cut out by bytes before anything parses them, so that a broken one costs only itself: where a record does
not end at the beginning of another, it is told as broken and reading goes on at the next beginning.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from schemas.errors import RecordError

GZIP = b"\x1f\x8b\x08"
_LARGEST_HEADER = 256 * 1024
_BEGIN = re.compile(rb"WARC/\d\.\d{1,2}[ \t]{0,8}\r?\n[\w-]{1,40}:")
_LONGEST_BEGIN = 64
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_TYPE = re.compile(rb"^WARC-Type:[ \t]*([\w-]+)", re.IGNORECASE | re.MULTILINE)
_LENGTH = re.compile(rb"^Content-Length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_URL = re.compile(rb"^WARC-Target-URI:[ \t]*<?([^\s>]+)", re.IGNORECASE | re.MULTILINE)
_PAGE = re.compile(rb"^Content-Type:[ \t]*[\w/+.-]*(?:html|json)", re.IGNORECASE | re.MULTILINE)
# Stands where compressed bytes could not be inflated: between records it is no record, inside one it cuts it short.
_DAMAGED = b"\n(damaged)\n"


@dataclass(frozen=True, slots=True)
class Capture:
    """One HTTP answer as it was archived, its body decoded."""

    url: str
    fetched_at: datetime | None
    status: int
    content_type: str
    etag: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """What should have been a record, and why it is none."""

    error: RecordError
    payload: bytes
    url: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A record that is no answer to a request for a page."""

    why: str


Read = Capture | Broken | LeftOut


def captures(stream: IO[bytes], *, max_bytes: int) -> Iterator[Read]:
    """Return what each record of an archive is, in the archive's order; none larger than ``max_bytes`` is held."""
    for raw in split(_inflated(stream), max_bytes=max_bytes):
        yield raw if isinstance(raw, Broken | LeftOut) else _capture(raw, max_bytes)


class _Ahead:
    """A stream of bytes that can be looked into and given back to."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.buffer = bytearray()

    def fill(self, size: int) -> bool:
        """Read until the buffer holds ``size`` bytes; False when the stream ends before."""
        while len(self.buffer) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self.buffer += chunk
        return True

    def take(self, size: int) -> bytes:
        self.fill(size)
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    def skip(self, size: int) -> bool:
        """Drop ``size`` bytes without holding them; False when the stream ends before."""
        while size > 0 and self.fill(1):
            dropped = min(size, len(self.buffer))
            del self.buffer[:dropped]
            size -= dropped
        return size == 0


def split(chunks: Iterable[bytes], *, max_bytes: int) -> Iterator[bytes | Broken | LeftOut]:
    """Return each response record, byte for byte, and what stands in place of the others."""
    stream = _Ahead(chunks)
    while True:
        garbage = _to_beginning(stream)
        if garbage.strip():
            error = RecordError("broken_record", f"{len(garbage)} bytes of the archive are no record.")
            yield Broken(error, garbage, _url(garbage))
        if not stream.buffer:
            return
        stream.fill(_LARGEST_HEADER)
        end = _HEADER_END.search(stream.buffer)
        head = bytes(stream.buffer[: end.end()]) if end else b""
        length = _LENGTH.search(head)
        if length is None:
            # Without its first letters it is no beginning any more, and is passed with what is no record.
            stream.skip(len(b"WARC/"))
            continue
        del stream.buffer[: len(head)]
        yield _block(stream, head, int(length[1]), max_bytes)


def _to_beginning(stream: _Ahead) -> bytes:
    """Go to where the next record begins; return what stood before it (the first of it, if it was much)."""
    passed = bytearray()
    while stream.fill(_LONGEST_BEGIN) or stream.buffer:
        found = _BEGIN.search(stream.buffer)
        if found:
            passed += stream.take(found.start())
            break
        searched = len(stream.buffer)
        is_end = not stream.fill(searched + 1)
        # A beginning may be cut by the end of what was searched.
        passed += stream.take(searched if is_end else max(0, searched - _LONGEST_BEGIN))
        del passed[_LARGEST_HEADER:]
    return bytes(passed)


def _block(stream: _Ahead, head: bytes, length: int, max_bytes: int) -> bytes | Broken | LeftOut:
    kind = _TYPE.search(head)
    name = kind[1].decode().lower() if kind else "unknown"
    if length > max_bytes:
        stream.fill(_LARGEST_HEADER)
        end = _HEADER_END.search(stream.buffer)
        is_page = name == "response" and end and _PAGE.search(stream.buffer, 0, end.start())
        stream.skip(length)
        if not is_page:
            return LeftOut(f"{name} records" if name != "response" else "answers that are no page")
        large = f"The answer is larger than {max_bytes} bytes. Raise PRESSLAKE_MAX_FILE_BYTES."
        return Broken(RecordError("too_large", large), b"", _url(head))
    block = stream.take(length)
    if len(block) < length or not _ends_here(stream):
        # Its length is wrong, or bytes are missing: what begins inside it is the next record.
        stream.buffer[:0] = block
        inside = _BEGIN.search(stream.buffer[: len(block)], 1)
        rest = stream.take(inside.start() if inside else len(block))
        if name == "response":
            cut = RecordError("truncated_record", f"The record breaks off after {len(rest)} of {length} bytes.")
            return Broken(cut, head + rest, _url(head))
        return LeftOut(f"{name} records")
    return head + block if name == "response" else LeftOut(f"{name} records")


def _ends_here(stream: _Ahead) -> bool:
    """Tell whether a record may end here: at two line breaks, the end of the archive, or another beginning."""
    stream.fill(_LONGEST_BEGIN)
    after = bytes(stream.buffer[:_LONGEST_BEGIN])
    return after.startswith((b"\r\n\r\n", b"\n\n")) or after.lstrip(b"\r\n")[:5] in (b"", b"WARC/")


def _url(head: bytes) -> str | None:
    found = _URL.search(head)
    return found[1].decode("utf-8", "replace") if found else None


def _capture(raw: bytes, max_bytes: int) -> Read:
    """Return the answer that a response record holds, as far as it is a page or data."""
    # Only those who bring web archives pay for the import.
    from fastwarc.warc import ArchiveIterator

    # Archives lie: some stored the body whole and kept the header that tells of its chunks.
    for decoding in ("transfer", "none"):
        try:
            record = next(iter(ArchiveIterator(io.BytesIO(raw), quirks_mode=True, auto_decode=decoding)), None)
            if record is None or record.http_headers is None or not str(record.http_headers.status_code).isdigit():
                return LeftOut("answers of other protocols")
            left_out = _no_page(record)
            if left_out is not None:
                return left_out
            body = record.reader.read(max_bytes + 1)
            break
        except OSError:
            continue
    return _decoded(record, body, (_url(raw) or "").split("#", 1)[0], max_bytes)


def _no_page(record: Any) -> LeftOut | None:
    status = int(record.http_headers.status_code)
    if status != 200:
        return LeftOut("redirects" if 300 <= status < 400 else f"answers of status {status}")
    declared = (record.http_content_type or "html").lower()
    return None if "html" in declared or "json" in declared else LeftOut("answers that are no page")


def _decoded(record: Any, body: bytes, url: str, max_bytes: int) -> Read:
    headers = record.http_headers
    try:
        body = _unpacked(body, (headers.get("Content-Encoding") or "").strip().lower(), max_bytes)
    except (OSError, zlib.error, EOFError):
        return Broken(RecordError("truncated_record", "Its compressed body breaks off or is damaged."), body, url)
    if len(body) > max_bytes:
        large = f"Its body is larger than {max_bytes} bytes. Raise PRESSLAKE_MAX_FILE_BYTES."
        return Broken(RecordError("too_large", large), b"", url)
    return Capture(
        url=url,
        fetched_at=record.record_date,
        status=int(headers.status_code),
        content_type=headers.get("Content-Type") or "",
        etag=headers.get("ETag"),
        body=body,
    )


def _unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return the body without its content encoding, which archives keep or undo whatever the header says."""
    if encoding in ("br", "zstd") and not body.lstrip().startswith((b"<", b"{", b"[")):
        from fastwarc.stream_io import BrotliReader, ZstdReader

        unpacked: bytes = (BrotliReader if encoding == "br" else ZstdReader)(io.BytesIO(body)).read(max_bytes + 1)
        return unpacked
    if not body.startswith(GZIP[:2]) and not (encoding == "deflate" and body[:1] == b"\x78"):
        return body
    member = zlib.decompressobj(47)
    body = member.decompress(body, max_bytes + 1)
    if not member.eof and len(body) <= max_bytes:
        raise EOFError
    return body


def _inflated(stream: IO[bytes], size: int = 1024 * 1024) -> Iterator[bytes]:
    """Return the bytes of a stream, inflated if they are gzip members, one after another.

    Web archives compress each record by itself, so behind a damaged member the next one is looked for.
    """
    pending = stream.read(size)
    if not pending.startswith(GZIP):
        while pending:
            yield pending
            pending = stream.read(size)
        return
    while pending:
        member = zlib.decompressobj(31)
        try:
            while not member.eof and pending:
                yield member.decompress(pending, size)
                pending = member.unconsumed_tail or member.unused_data or stream.read(size)
            if not member.eof:
                yield _DAMAGED
        except zlib.error:
            yield _DAMAGED
            pending = _next_member(stream, pending[1:], size)


def _next_member(stream: IO[bytes], pending: bytes, size: int) -> bytes:
    """Return the bytes from the next compressed record on: one whose content begins as a record does."""
    while pending:
        start = pending.find(GZIP)
        if start < 0:
            pending = pending[-2:] + more if (more := stream.read(size)) else b""
            continue
        pending = pending[start:]
        while len(pending) < _LARGEST_HEADER and (more := stream.read(size)):
            pending += more
        try:
            if zlib.decompressobj(31).decompress(pending, _LONGEST_BEGIN).startswith(b"WARC/"):
                return pending
        except zlib.error:
            pass
        pending = pending[1:]
    return b""
