"""The SQL that comes with the package: views, macros, checks and figures, one file each. Nothing heavy is imported here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from schemas.errors import LakeError

_COLUMN_COMMENT = re.compile(r"^\s*(?:.*\bAS\s+)?(?:\w+\.)?(\w+),?\s+--\s+(.+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class View:
    """One view file: its SQL, the sentence that states the grain, and comments of columns it computes itself."""

    name: str
    sql: str
    grain: str
    comments: dict[str, str]


@cache
def shipped(folder: str) -> tuple[View, ...]:
    """Return the SQL files of one folder of this package, by name."""
    entries = (files("warehouse") / folder).iterdir()
    sources = {e.name.removesuffix(".sql"): e.read_text() for e in entries if e.name.endswith(".sql")}
    return tuple(parse_view(name, sql) for name, sql in sorted(sources.items()))


def parse_view(name: str, sql: str) -> View:
    """Return a view file's parts.

    Raises:
        LakeError: its first line is no comment.
    """
    first, *rest = sql.splitlines()
    if not first.startswith("-- "):
        raise LakeError(f"View {name}.sql does not begin with a comment that states its grain.")
    found = (_COLUMN_COMMENT.match(line) for line in rest)
    return View(name, sql, first[3:].strip(), {match[1]: match[2] for match in found if match})


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
