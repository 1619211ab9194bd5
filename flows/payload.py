"""JSON as WordPress and dumps really send it: exact bytes of each record, decoded once, salvaged only when certain."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from schemas.errors import RecordError

_SCAN = json.JSONDecoder()
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder()
# Where polluted answers hide their JSON, a handful of brackets precede it; a page of HTML has thousands.
_MOST_CANDIDATES = 64


@dataclass(frozen=True, slots=True)
class Slices:
    """The records of one JSON text: their exact bytes, what was salvaged, and the error that cut the text short."""

    records: list[bytes]
    is_list: bool
    note: str | None = None
    broken: RecordError | None = None
    rest: bytes = b""


def decode(payload: bytes) -> Any:
    """Return the value of a JSON text; lone surrogates and stray bytes are replaced, not refused.

    Raises:
        RecordError: it is not JSON; the message says where it breaks off.
    """
    try:
        return _ANY.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    text = decode_text(payload)
    try:
        return json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        raise _broken(error, text) from error
    except RecursionError as error:
        raise RecordError("nested_too_deep", "The JSON is nested deeper than can be read.") from error


def decode_text(payload: bytes) -> str:
    """Return bytes as text: by byte-order mark, else UTF-8, else Windows-1252, which has no undefined answer."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if payload.startswith(mark):
            return payload.decode(encoding, "replace").lstrip("\ufeff")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        return payload.decode("cp1252", "replace")


def slices(payload: bytes) -> Slices:
    """Return the records of a JSON object, a list of objects, or newline-delimited objects, byte for byte.

    A text that breaks off yields its whole records and says where it broke.
    """
    body = payload.removeprefix(codecs.BOM_UTF8).strip()
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        body = decode_text(body).encode("utf-8", "surrogatepass").strip()
    if body.startswith(b"["):
        try:
            return Slices([bytes(raw) for raw in _RAW_LIST.decode(body)], True)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _scanned(body, is_list=True)
    try:
        _ANY.decode(body)
        return Slices([body], False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _scanned(body, is_list=False)


def _scanned(body: bytes, *, is_list: bool) -> Slices:
    """Read value after value with a tolerant scanner: one object, a broken list, or newline-delimited JSON."""
    text = body.decode("utf-8", "surrogateescape")
    position = 1 if is_list else 0
    records: list[bytes] = []
    while position < len(text):
        if text[position] in " \t\r\n," or (text[position] == "]" and is_list):
            position += 1
            continue
        try:
            _, end = _SCAN.raw_decode(text, position)
        except json.JSONDecodeError as error:
            rest = text[position:].encode("utf-8", "surrogateescape")
            return Slices(records, is_list, broken=_broken(error, text), rest=rest)
        except RecursionError:
            rest = text[position:].encode("utf-8", "surrogateescape")
            broken = RecordError("nested_too_deep", "The JSON is nested deeper than can be read.")
            return Slices(records, is_list, broken=broken, rest=rest)
        records.append(text[position:end].encode("utf-8", "surrogateescape"))
        position = end
    return Slices(records, is_list)


def _broken(error: json.JSONDecodeError, text: str) -> RecordError:
    # The scanner points at the start of what it could not finish; a text that ends inside a value was cut off.
    unfinished = error.pos >= len(text.rstrip()) or error.msg.startswith(("Unterminated", "Expecting"))
    tail = text[error.pos :].strip()
    if unfinished and (not tail or error.msg.startswith("Unterminated")):
        return RecordError(
            "truncated_json", f"The JSON breaks off after {len(text)} characters. Fetch or copy the file again."
        )
    return RecordError("invalid_json", f"The JSON is broken at line {error.lineno}, column {error.colno}: {error.msg}.")


def salvage(body: bytes, expect: type) -> tuple[bytes, str] | None:
    """Find the JSON inside a polluted answer: after a byte-order mark, PHP notices or comments, before trailers.

    Returns:
        The bytes of the one value of the expected type, and what stood around it; None when nothing is certain.
    """
    text = decode_text(body)
    opening = "[" if expect is list else "{"
    position = -1
    for _ in range(_MOST_CANDIDATES):
        position = text.find(opening, position + 1)
        if position < 0:
            return None
        try:
            value, end = _SCAN.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):
            continue
        if _certain(value, expect):
            before, after = text[:position].strip(" \r\n\t\ufeff"), text[end:].strip()
            around = f"{len(before)} characters before and {len(after)} after the JSON"
            return text[position:end].encode("utf-8", "surrogatepass"), around
    return None


def _certain(value: Any, expect: type) -> bool:
    if expect is list:
        return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)
    return isinstance(value, dict) and len(value) > 1


def lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Return the non-empty lines of a byte stream, for newline-delimited JSON of any size."""
    pending = b""
    for chunk in chunks:
        *whole, pending = (pending + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
    if pending.strip():
        yield pending
