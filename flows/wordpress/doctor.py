"""Preflight of a site: what is found, what is blocked, by whom, and the remedy. Nothing is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from flows.extraction.fragments import plain_inline
from flows.settings import Settings
from flows.wordpress.api import WordPress
from flows.wordpress.discovery import discover
from flows.wordpress.retrieval import Client
from flows.wordpress.streams import Stream, streams_of
from schemas.errors import SourceError
from schemas.sources import Source

_GENERATOR = re.compile(rb"<meta[^<>]{1,500}content=[\"']WordPress (\d[\w.-]*)[\"']|wordpress\.org/\?v=(\d[\w.]*)")


@dataclass
class Diagnosis:
    """What doctor found out about a site; ``blocked`` maps a stream to the reason and remedy."""

    site: str
    api: str
    found_by: str
    name: str | None
    version: str | None
    zone: str | None
    login: str
    streams: dict[str, int | None] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the diagnosis as one JSON object."""
        return dict(self.__dict__)


def examine(given: str, settings: Settings) -> Diagnosis:
    """Return what stands in the way of ingesting a site, asking each stream for one record.

    Raises:
        UsageError: the address is no site's.
        SourceError: there is no API to be found; the message names what is in the way.
    """
    source = Source.parse(given if "://" in given else f"https://{given}")
    with Client(settings, settings.credentials, source.address) as client:
        api = discover(client, source.address)
        diagnosis = Diagnosis(
            api.site, api.root, api.found_by, plain_inline(str(api.index.get("name") or "")) or None, _version(client, api),
            api.index.get("timezone_string") or _offset(api.index.get("gmt_offset")), login(api),
        )  # fmt: skip
        streams, _, problems = streams_of(api)
        diagnosis.notes += problems
        for stream in streams:
            _ask(api, stream, diagnosis)
        diagnosis.notes += _hints(diagnosis)
    return diagnosis


def login(api: WordPress) -> str:
    """Tell whether the server saw the credentials: WordPress answers public routes alike with wrong ones."""
    if api.client.credentials is None:
        return "none given"
    try:
        me = api.object("wp/v2/users/me", {"context": "edit", "_fields": "id,slug,roles"})
    except SourceError as error:
        if error.code == "rest_not_logged_in":
            return "NOT SEEN: the password is wrong, or the server drops the Authorization header"
        return f"refused: {error.message}"
    return f"seen: {me.get('slug')} ({', '.join(map(str, me.get('roles') or ())) or 'no role'})"


def _ask(api: WordPress, stream: Stream, diagnosis: Diagnosis) -> None:
    try:
        listing = api.list(stream.route, {"per_page": 1, "_fields": "id"})
    except SourceError as error:
        diagnosis.blocked[stream.name] = str(error)
    else:
        diagnosis.streams[stream.name] = listing.total


def _version(client: Client, api: WordPress) -> str | None:
    """Return the WordPress version that the home page or the feed admits to; many sites hide it."""
    home = api.index.get("home") or api.index.get("url") or f"https://{api.site}/"
    for address in (str(home), f"{str(home).rstrip('/')}/?feed=rss2"):
        try:
            match = _GENERATOR.search(client.get(address, tries=0, accept="*/*").body)
        except SourceError:
            continue
        if match:
            return (match[1] or match[2]).decode()
    return None


def _offset(hours: Any) -> str | None:
    return None if hours in (None, "") else f"UTC{float(hours):+g}"


def _hints(diagnosis: Diagnosis) -> list[str]:
    hints = []
    if "?rest_route=" in diagnosis.api:
        hints.append("plain permalinks: /wp-json/ is not the API here, ?rest_route= is")
    if "authors" in diagnosis.blocked:
        hints.append("authors are hidden: documents keep their author's id, without the name")
    return hints
