"""The table that people read: aligned, cut to the terminal's width, and safe whatever the data holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from warehouse.query import Rows

SHOWN_ROWS = 1000
_COUNTED_ROWS = 100_000
_GAP = "  "
_CELL_WIDTH = 60
_WIDEST = 400
_NARROWEST = 12
_RIGHT = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*|BIGNUM)$")
_RIGID = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*|BOOLEAN|DATE|TIME.*)$")
# What moves the cursor, breaks the line, or reverses the reading order of its neighbours.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_INVISIBLE = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]")
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def write_table(result: Rows, write: Callable[[str], object], *, width: int | None, style: bool) -> int:
    """Write at most ``SHOWN_ROWS`` rows as a table and say how many there are; return that number."""
    if result.columns == ("explain_key", "explain_value"):
        return _write_plan(result, write)
    shown: list[tuple[Any, ...]] = []
    count = 0
    for rows in result.rows():
        shown += rows[: SHOWN_ROWS - len(shown)]
        count += len(rows)
        if count > _COUNTED_ROWS:
            break
    kept = _layout(result, shown, width)
    null = "NULL" if style else ""
    heads = [_fit(clean(result.columns[index]), size, is_right) for index, size, is_right in kept]
    write((_BOLD + _GAP.join(heads) + _PLAIN if style else _GAP.join(heads).rstrip()) + "\n")
    write(_GAP.join("─" * size for _, size, _ in kept) + "\n")
    for row in shown:
        cells = [
            _styled_null(null, size, is_right, style) if row[i] is None else _fit(readable(row[i]), size, is_right)
            for i, size, is_right in kept
        ]
        write(_GAP.join(cells).rstrip() + "\n")
    write(_footer(count, len(shown), len(kept), len(result.columns)) + "\n")
    return count


def _write_plan(result: Rows, write: Callable[[str], object]) -> int:
    """Write a query plan as the drawing it is, line by line."""
    count = 0
    for rows in result.rows():
        for _, drawing in rows:
            write("".join(clean(line) + "\n" for line in str(drawing).splitlines()))
        count += len(rows)
    return count


def _layout(result: Rows, shown: Sequence[tuple[Any, ...]], width: int | None) -> list[tuple[int, int, bool]]:
    """Return (column, width, right-aligned) of columns that fit; text gives way, numbers and dates do not."""
    natural = [
        min(_WIDEST, max([text_width(clean(name)), *(text_width(readable(row[i])) for row in shown), 1]))
        for i, name in enumerate(result.columns)
    ]
    is_rigid = [bool(_RIGID.match(type)) for type in result.types]
    if width is None:
        sizes = [min(size, _CELL_WIDTH) for size in natural]
    else:
        room = max(width, 10)
        least = [size if rigid else min(size, _NARROWEST) for size, rigid in zip(natural, is_rigid, strict=True)]
        count = _fitting(least, room)
        sizes = _shrunk([min(s, room) for s in natural[:count]], least[:count], room - len(_GAP) * (count - 1))
    return [(i, size, bool(_RIGHT.match(result.types[i]))) for i, size in enumerate(sizes)]


def _fitting(least: Sequence[int], room: int) -> int:
    used = 0
    for count, size in enumerate(least):
        used += size + (len(_GAP) if count else 0)
        if used > room:
            return max(count, 1)
    return len(least)


def _shrunk(sizes: list[int], least: Sequence[int], room: int) -> list[int]:
    """Take from the widest columns until all fit."""
    while sum(sizes) > room:
        widest = max(range(len(sizes)), key=lambda i: (sizes[i] > least[i], sizes[i]))
        if sizes[widest] <= least[widest]:
            break
        sizes[widest] -= 1
    return [min(size, room) for size in sizes]


def _footer(count: int, shown: int, columns: int, all_columns: int) -> str:
    total = f"more than {_COUNTED_ROWS:,}" if count > _COUNTED_ROWS else f"{count:,}"
    if shown < count:
        rest = f", {count - shown:,} more are not shown" if count <= _COUNTED_ROWS else ""
        text = f"{shown:,} of {total} rows{rest}; see all with --format csv or -o FILE"
    else:
        text = f"{total} row" + ("" if count == 1 else "s")
    if columns < all_columns:
        text += f" ({columns} of {all_columns} columns fit; name the ones you want, or --format json)"
    return text


def _styled_null(null: str, size: int, is_right: bool, style: bool) -> str:
    cell = _fit(null, size, is_right)
    return _DIM + cell + _PLAIN if style else cell


def _fit(text: str, size: int, is_right: bool) -> str:
    """Return the text cut or padded to exactly ``size`` columns."""
    used = text_width(text)
    if used > size:
        text, used = _cut(text, size)
    padding = " " * (size - used)
    return padding + text if is_right else text + padding


def _cut(text: str, size: int) -> tuple[str, int]:
    used = 0
    for position, step in enumerate(_steps(text)):
        if used + step > size - 1:
            return text[:position] + "…", used + 1
        used += step
    return text, used


def text_width(text: str) -> int:
    """Return how many terminal columns a text takes: wide letters and emoji two, combining marks none."""
    return len(text) if text.isascii() else sum(_steps(text))


def _steps(text: str) -> Iterable[int]:
    is_joined = False
    before = 0
    for letter in text:
        step = 0 if is_joined else _letter_width(letter)
        if letter == "\ufe0f" and before == 1:
            # This selector turns a plain sign into its emoji, which is wide.
            step = 1
        # What a zero-width joiner joins is drawn as one emoji.
        is_joined = letter == "\u200d"
        before = step or before
        yield step


@lru_cache(4096)
def _letter_width(letter: str) -> int:
    if letter < "\u0300":
        return 0 if letter == "\xad" else 1
    if unicodedata.category(letter) in ("Mn", "Me", "Cf") or "\u1160" <= letter <= "\u11ff":
        return 0
    if "\U0001f3fb" <= letter <= "\U0001f3ff":  # skin tones colour the emoji before them
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def clean(text: str) -> str:
    """Return one line without anything a terminal would obey instead of show."""
    return _INVISIBLE.sub("", _UNSAFE.sub(" ", text))


def readable(value: Any, *, is_exact: bool = False) -> str:
    """Return a value as one safe line; moments to the minute and long text cut early unless ``is_exact``."""
    text = _readable(value, is_exact)
    return clean(text if is_exact or len(text) <= 2 * _WIDEST else text[: 2 * _WIDEST])


def _readable(value: Any, is_exact: bool) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if is_exact else f"{value:.12g}"
    if isinstance(value, datetime):
        zone = "Z" if value.tzinfo else ""
        naive = value.replace(tzinfo=None)
        return naive.isoformat() + zone if is_exact else naive.isoformat(" ", "minutes")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value):,} bytes>"
    if isinstance(value, dict):
        pairs = (f"{_readable(key, is_exact)}: {_readable(item, is_exact)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_readable(item, is_exact) for item in value) + "]"
    return str(value)
