"""Walks over one stream that lose nothing while the site changes under them. They yield pages; nothing is stored here.

Measured on WordPress 6.1 to 7.1: lists ordered by modification time have no tie-break and lose up to a third of an
unchanging site when paged by number; page numbers of any order skip records when one before them goes away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.rows.moments import naive
from flows.wordpress.api import Listing, WordPress, as_parameter
from flows.wordpress.streams import Stream
from schemas.errors import SourceError, TransientSourceError

# modified_after compares the site's local time: a zone change moves it by up to a day, summer time by an hour.
OVERLAP = timedelta(hours=26)
_SECOND = timedelta(seconds=1)
_PAST_THE_END = {"rest_post_invalid_page_number", "rest_comment_invalid_page_number"}


class ParameterIgnored(Exception):
    """The site does not know ``modified_after`` (WordPress before 5.7, some custom types): use another walk."""


@dataclass(frozen=True)
class Page:
    """Records of a walk, ready to be committed. ``position`` is where a later walk can go on: (offset, last id)."""

    records: list[tuple[bytes, dict[str, Any]]]
    listing: Listing
    position: tuple[int, int] | None = None


@dataclass
class Crawler:
    """Asks one site for pages of its streams.

    ``per_page`` shrinks when the server cannot answer that many and grows back. ``poisoned`` is told of a single
    record that no request can fetch: (stream, offset in id order, error). ``authorised`` is asked for in addition
    when somebody is logged in.
    """

    api: WordPress
    per_page: int = 100
    authorised: dict[str, Any] = field(default_factory=dict)
    poisoned: Callable[[Stream, int, SourceError], None] | None = None

    def __post_init__(self) -> None:
        """Remember the page size to grow back to."""
        self._most = self.per_page

    def page(self, stream: Stream, *, tries: int | None = None, **params: Any) -> Listing:
        """Return one page of a stream."""
        # Only documents have drafts; the edit context of users would bring their addresses.
        more = self.authorised if stream.table == "documents" else {}
        asked = {"per_page": self.per_page, **more, **params}
        return self.api.list(stream.route, asked, tries=tries)

    def by_id(self, stream: Stream, position: tuple[int, int] = (0, 0), **params: Any) -> Iterator[Page]:
        """Return every record in id order, each page overlapping the one before by a row.

        When the row before is not where it was, records before it have gone: the walk steps back until it finds
        its place. Rows that the server counts but does not show make pages short; only the total ends the walk.
        """
        if not stream.has_offset:
            yield from self._by_number(stream, **params)
            return
        offset, last = position
        lap, total = min(1, offset), None
        while True:
            listing, start, size = self._page_at(stream, offset, lap, **params)
            if start and _lost(listing, start < offset, last):
                lap = min(offset, 2 * lap + self.per_page // 2)
                continue
            total = listing.total if listing.total is not None else total
            fresh = [record for record in listing.records if int(record[1]["id"]) > last]
            last = max([last, *(int(value["id"]) for _, value in fresh)])
            offset, lap = start + size, 1
            yield Page(fresh, listing, (offset, last))
            if offset >= total if total is not None else not listing.records:
                return

    def _page_at(self, stream: Stream, offset: int, lap: int, **params: Any) -> tuple[Listing, int, int]:
        """Return the page at ``offset`` less ``lap``, its first row and how many rows it covers.

        While the server fails, fewer records are asked for, down to one; that one is reported and stepped over.
        """
        size = self.per_page
        while True:
            # A single record is asked for without overlap, or the walk would stand still.
            start = offset - lap if size > lap else offset
            try:
                # Many tries of a request that is too large for the server would only load it more.
                listing = self.page(
                    stream, tries=1 if size > 1 else None, orderby="id", order="asc", offset=start,
                    **{**params, "per_page": size},
                )  # fmt: skip
            except TransientSourceError as error:
                if error.status is None or error.status == 429:
                    raise
                if size == 1:
                    if self.poisoned is None:
                        raise
                    self.poisoned(stream, offset, error)
                    return Listing([], None, None), offset, 1
                size //= 2
                continue
            self.per_page = min(self._most, 2 * size)
            return listing, start, max(size, len(listing.records))

    def _by_number(self, stream: Stream, **params: Any) -> Iterator[Page]:
        seen: set[int] = set()
        number = 1
        while True:
            listing = self._numbered(stream, number, **params)
            fresh = [record for record in listing.records if int(record[1]["id"]) not in seen]
            seen.update(int(value["id"]) for _, value in fresh)
            yield Page(fresh, listing)
            more = number * self.per_page < listing.total if listing.total is not None else bool(listing.records)
            if not more:
                return
            number += 1

    def _numbered(self, stream: Stream, number: int, **params: Any) -> Listing:
        try:
            return self.page(stream, orderby="id", order="asc", page=number, **params)
        except SourceError as error:
            # Half of WordPress's lists answer past their end with an error, half with an empty list.
            if number > 1 and error.code in _PAST_THE_END:
                return Listing([], None, None)
            raise

    def modified_since(self, stream: Stream, since: datetime, **params: Any) -> Iterator[Page]:
        """Return what was modified after ``since`` less an overlap, oldest first.

        Keyset on the site's own ``modified`` column, the one the server compares: after a full page the last second
        is set aside and listed whole by id, so a thousand posts of one second all come.

        Raises:
            ParameterIgnored: the server does not know the parameter.
        """
        start = since - OVERLAP
        cursor = as_parameter(start)
        while True:
            listing = self.page(stream, orderby="modified", order="asc", modified_after=cursor, **params)
            self._require_honoured(listing, start)
            if _is_whole(listing, self.per_page):
                yield Page(listing.records, listing)
                return
            last = naive(listing.records[-1][1].get("modified")) if listing.records else None
            if last is None:
                raise ParameterIgnored
            yield Page([r for r in listing.records if (naive(r[1].get("modified")) or last) < last], listing)
            yield from self._second(stream, last, **params)
            if f"{last:%Y-%m-%dT%H:%M:%S}" == cursor:
                raise ParameterIgnored
            cursor = f"{last:%Y-%m-%dT%H:%M:%S}"

    def _second(self, stream: Stream, second: datetime, **params: Any) -> Iterator[Page]:
        """Return all records modified in one second of site time; both parameters exclude their own second."""
        window: dict[str, Any] = {
            "modified_after": f"{second - _SECOND:%Y-%m-%dT%H:%M:%S}",
            "modified_before": f"{second + _SECOND:%Y-%m-%dT%H:%M:%S}",
        }
        yield from self.by_id(stream, **window, **params)

    def _require_honoured(self, listing: Listing, start: datetime) -> None:
        for _, value in listing.records:
            modified = naive(value.get("modified_gmt"))
            # Rows with an empty GMT column tell today's offset; a day's grace covers every such shift.
            if modified is not None and modified.replace(tzinfo=UTC) < start - timedelta(days=2):
                raise ParameterIgnored

    def newest(self, stream: Stream, **params: Any) -> Listing:
        """Return ids and times of the hundred newest publications, and the total: the cheap look at what there is."""
        fields = "id,modified_gmt,date_gmt"
        return self.page(stream, orderby="date", order="desc", _fields=fields, **params)

    def sweep(self, stream: Stream, **params: Any) -> tuple[dict[int, str], int | None]:
        """Return id → modified_gmt of every record, and the total the server states at the end."""
        found: dict[int, str] = {}
        total: int | None = None
        for page in self.by_id(stream, _fields="id,modified_gmt", **params):
            found.update({int(value["id"]): str(value.get("modified_gmt", "")) for _, value in page.records})
            total = page.listing.total
        return found, total

    def of_ids(self, stream: Stream, ids: Sequence[int], **params: Any) -> Iterator[Page]:
        """Return the records of these ids, as far as the list shows them, a hundred at a time."""
        for start in range(0, len(ids), 100):
            wanted = ",".join(str(entry) for entry in ids[start : start + 100])
            listing = self.page(stream, **{"include": wanted, "orderby": "id", **params, "per_page": 100})
            yield Page(listing.records, listing)


def _lost(listing: Listing, overlaps: bool, last: int) -> bool:
    """Tell whether a page shows that rows before it have gone: past the end, or without the row it should repeat."""
    if not listing.records:
        # Past the end WordPress states a total of none; a page of rows that it may not show states the real one.
        return listing.total == 0
    return overlaps and min(listing.ids) > last


def _is_whole(listing: Listing, per_page: int) -> bool:
    if listing.total is not None:
        return listing.total <= per_page
    return len(listing.records) < per_page
