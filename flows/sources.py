"""The sources of ``presslake.toml``: what ``presslake sync`` and the hourly run read.

::

    [sources]
    "https://example.com" = {}
    "https://news.example" = { kinds = ["posts", "pages"], auth = "news", requests_per_s = 1 }
    "/data/notes" = { site = "notes" }

One line a source: its address as on the command line, and what differs from the settings. Logins are named, never
written down: ``auth = "news"`` stands for PRESSLAKE_NEWS_USER and PRESSLAKE_NEWS_APP_PASSWORD.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from flows.settings import CONFIG_FILE, Settings, converted
from schemas.errors import UsageError
from schemas.keys import canonical_site
from schemas.sources import Source, shown

_NOT_PER_SOURCE = {"lake", "workers", "batch_records", "batch_bytes", "alert_url", "stale_hours"}
_OWN = ("kinds", "site", "schedule")


@dataclass(frozen=True)
class Entry:
    """One source of the file; ``line`` is where it stands. ``settings`` are those that differ."""

    source: Source
    line: int
    kinds: tuple[str, ...] = ()
    site: str | None = None
    schedule: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def settings_from(self, settings: Settings) -> Settings:
        """Return the settings in force for this source."""
        return replace(settings, **self.settings)

    @property
    def own(self) -> str | None:
        """The name of its site in the lake; None for files that were given none."""
        return canonical_site(self.source.address) if self.source.kind == "wordpress" else self.site

    def is_meant(self, name: str) -> bool:
        """Tell whether ``name`` means this source: as written, by its site, or by its given site name."""
        is_site = self.source.kind == "wordpress"
        return shown(name) in (self.source.given, self.own) or (is_site and canonical_site(name) == self.own)


def load(folder: Path | None = None, only: str | None = None) -> list[Entry]:
    """Return the sources of ``presslake.toml`` (or the one called ``only``).

    Raises:
        UsageError: there is no such file or source, or an entry is wrong; the message names the line.
    """
    path = (folder or Path.cwd()) / CONFIG_FILE
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text).get("sources", {})
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no {CONFIG_FILE} here.", remedy='Write one: [sources] and "https://…" = {}.'
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"Cannot read {path}: {error}.", remedy="Mend the file.") from error
    if not isinstance(table, dict) or not table:
        raise UsageError(f"{path} names no sources.", remedy='Add a line under [sources]: "https://example.com" = {}.')
    entries = [_entry(given, options, _Place(path, text)) for given, options in table.items()]
    chosen = [entry for entry in entries if only is None or entry.is_meant(only)]
    if not chosen:
        raise UsageError(f"{path} names no source {only}.", remedy=f"It has: {', '.join(map(shown, table))}.")
    return chosen


@dataclass(frozen=True)
class _Place:
    """Finds the line of a key, which TOML readers do not tell."""

    path: Path
    text: str

    def line(self, given: str, option: str | None = None) -> int:
        lines = self.text.splitlines()
        starts = [n for n, line in enumerate(lines) if given in line and not line.lstrip().startswith("#")]
        first = starts[0] if starts else 0
        if option is None:
            return first + 1
        word = re.compile(rf"(^|[{{,.\s\"']){re.escape(option)}[\"']?\s*=")
        inside = (n for n in range(first, len(lines)) if word.search(lines[n]))
        return next(inside, first) + 1

    def wrong(self, why: str, given: str, option: str | None = None) -> UsageError:
        return UsageError(f"{self.path}:{self.line(given, option)}: {why}.")


def _entry(given: str, options: Any, place: _Place) -> Entry:
    if not isinstance(options, dict):
        raise place.wrong(f"{shown(given)} needs a table, such as {{}}", given)
    allowed = {*_OWN, *(setting.name for setting in fields(Settings) if setting.name not in _NOT_PER_SOURCE)}
    for option in options:
        if option not in allowed:
            raise place.wrong(
                f"unknown option {option} of {shown(given)}; there are {', '.join(sorted(allowed))}", given, option
            )
    try:
        source = Source.parse(given)
    except UsageError as error:
        raise place.wrong(error.message.rstrip("."), given) from error
    kinds = options.get("kinds", [])
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise place.wrong("kinds is no list of stream names", given, "kinds")
    for option in ("site", "schedule"):
        if not isinstance(options.get(option, ""), str):
            raise place.wrong(f"{option} is no text", given, option)
    if "schedule" in options and len(options["schedule"].split()) != 5:
        raise place.wrong(f"schedule {options['schedule']!r} is no cron line of five fields", given, "schedule")
    settings = {}
    for option in options.keys() - set(_OWN):
        try:
            settings[option] = converted(option, options[option])
        except UsageError as error:
            raise place.wrong(error.message.rstrip("."), given, option) from error
    return Entry(source, place.line(given), tuple(kinds), options.get("site"), options.get("schedule"), settings)
