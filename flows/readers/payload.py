"""JSON as WordPress and dumps really send it: exact bytes of each record, decoded once, salvaged only when certain."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from schemas.errors import RecordError

# Python makes no number of more digits, to spare its time.
_MOST_DIGITS = 4000


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


# Not strict: dumps hold raw line breaks inside strings, which ``decode`` reads, too.
_SCAN = json.JSONDecoder(strict=False, parse_int=_whole_number)
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder()
# Where polluted answers hide their JSON, a handful of brackets precede it; a page of HTML has thousands.
_MOST_CANDIDATES = 64
# One escape after another, so that an escaped backslash never looks like the beginning of a surrogate.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|u[dD][c-fC-F][0-9a-fA-F]{2}|.)", re.DOTALL
)
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{},]', re.DOTALL)
_CUT_ESCAPE_CHARACTERS = 6
_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body|script)[\s>]", re.IGNORECASE)


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
    text = _ESCAPE.sub(_paired, decode_text(payload))
    try:
        return _SCAN.decode(text)
    except json.JSONDecodeError as error:
        raise _broken(error, text) from error
    except RecursionError as error:
        raise RecordError("nested_too_deep", "The JSON is nested deeper than can be read.") from error


def _paired(match: re.Match[str]) -> str:
    """Replace an escaped half of a surrogate pair by the replacement character."""
    escape = match[0]
    is_high = len(escape) == _CUT_ESCAPE_CHARACTERS and escape[2] in "dD"
    return r"\ufffd" if is_high and match[1] is None else escape


def decode_text(payload: bytes) -> str:
    """Return bytes as text: by byte-order mark, else UTF-8, else Windows-1252, which has no undefined answer.

    A few stray bytes among real UTF-8 sequences are replaced: Windows text hardly ever holds one by chance.
    """
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
        text = payload.decode("utf-8", "replace")
    strays = text.count("\ufffd")
    whole = sum(not character.isascii() for character in text) - strays
    return text if whole > strays else payload.decode("cp1252", "replace")


def in_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Return the same text in UTF-8 if it begins with the byte-order mark of UTF-16, else the same bytes."""
    pieces = iter(chunks)
    first = next(pieces, b"")
    while len(first) < len(codecs.BOM_UTF16_LE) and (more := next(pieces, None)) is not None:
        first += more
    if not first.startswith(UTF16_MARKS):
        yield first
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for piece in chain((first,), pieces):
        yield decoder.decode(piece).encode("utf-8", "replace")


def slices(payload: bytes) -> Slices:
    """Return the records of a JSON object, a list of objects, or newline-delimited objects, byte for byte.

    A text that breaks off yields its whole records and says where it broke.
    """
    if payload.startswith(UTF16_MARKS):
        payload = decode_text(payload).encode("utf-8", "surrogatepass")
    body = payload.removeprefix(codecs.BOM_UTF8).strip()
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
    """Read value after value with a tolerant scanner: one object, lists one after another, or one value a line."""
    text = body.decode("utf-8", "surrogateescape")
    position, is_open = 0, False
    records: list[bytes] = []
    while position < len(text):
        if text[position] in " \t\r\n,":
            position += 1
            continue
        if is_list and text[position] == ("]" if is_open else "["):
            position, is_open = position + 1, not is_open
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
    # A list may break off between two records, too.
    return Slices(records, is_list, broken=_truncated(text) if is_open else None)


def elements(body: bytes) -> list[bytes] | None:
    """Return the elements of a JSON list by its brackets alone, however deep they are nested; None when it is cut."""
    found: list[bytes] = []
    depth = start = 0
    for match in _BRACKET.finditer(body):
        sign = match[0]
        if sign in (b"[", b"{"):
            depth += 1
            start = match.end() if depth == 1 else start
        elif depth == 1 and sign in (b"]", b","):
            found.append(body[start : match.start()].strip())
            start = match.end()
        if sign in (b"]", b"}"):
            depth -= 1
            if not depth:
                return found
    return None


def _broken(error: json.JSONDecodeError, text: str) -> RecordError:
    # The scanner points at the start of what it could not finish; a text that ends inside a value was cut off.
    tail = text[error.pos :].strip()
    is_cut_escape = error.msg.startswith("Invalid") and len(tail) < _CUT_ESCAPE_CHARACTERS
    is_cut_word = any(word.startswith(tail) for word in ("true", "false", "null", "NaN", "-Infinity"))
    is_cut_number = re.fullmatch(r"\.|[eE][+-]?", tail) is not None
    if not tail or is_cut_word or is_cut_number or is_cut_escape or error.msg.startswith("Unterminated"):
        return _truncated(text)
    return RecordError("invalid_json", f"The JSON is broken at line {error.lineno}, column {error.colno}: {error.msg}.")


def _truncated(text: str) -> RecordError:
    return RecordError(
        "truncated_json", f"The JSON breaks off after {len(text)} characters. Fetch or copy the file again."
    )


def salvage(body: bytes, expect: type) -> tuple[bytes, str] | None:
    """Find the JSON inside a polluted answer: after a byte-order mark, PHP notices or comments, before trailers.

    Returns:
        The bytes of the one value of the expected type, and what stood around it; None when nothing is certain.
    """
    text = decode_text(body)
    page = _PAGE.search(text)
    opening = "[" if expect is list else "{"
    position = -1
    for _ in range(_MOST_CANDIDATES):
        position = text.find(opening, position + 1)
        # The scripts of a page hold lists, too.
        if position < 0 or (page is not None and page.start() < position):
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


def lines(chunks: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Return the non-empty lines of a byte stream, for newline-delimited JSON of any size.

    Raises:
        RecordError: a line is larger than ``most`` bytes; those before it were returned.
    """
    pending: list[bytes] = []
    size = 0
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            line, pending, size = b"".join([*pending, line]), [], 0
            if line.strip():
                yield line
        pending.append(rest)
        size += len(rest)
        if size > most:
            raise RecordError(
                "too_large", f"A line is larger than {most} bytes. Split it, or raise PRESSLAKE_MAX_FILE_BYTES."
            )
    if b"".join(pending).strip():
        yield b"".join(pending)
