"""Walks over one stream that lose nothing while the site changes under them. They yield pages; nothing is stored here.

Measured on WordPress 6.1 to 7.1: lists ordered by modification time have no tie-break and lose up to a third of an
unchanging site when paged by number; page numbers of any order skip records when one before them goes away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.rows.moments import naive
from flows.wordpress.api import Listing, as_parameter
from flows.wordpress.asking import Asker
from flows.wordpress.streams import Stream
from schemas.errors import SourceError, TransientSourceError

# modified_after compares the site's local time. Summer time moves that by an hour, clocks and commits under way by
# minutes; a change of the site's zone by up to a day.
OVERLAP = timedelta(hours=3)
ZONE_OVERLAP = timedelta(hours=26)
_SWEPT_FIELDS = "id,modified_gmt,modified,date_gmt,date"
_SECOND = timedelta(seconds=1)
_MOST_SEARCHES = 3
_MOST_READINGS = 3
# Rows that are counted but not shown may fill pages; for a list that shows nothing for so many, its total is a lie.
_MOST_BARREN = 50
_PAST_THE_END = {"rest_post_invalid_page_number", "rest_comment_invalid_page_number"}


class ParameterIgnored(Exception):
    """``modified_after`` is of no use here (WordPress before 5.7, some custom types); the message says why."""


@dataclass(frozen=True)
class Page:
    """Records of a walk, ready to be committed. ``position`` is where a later walk can go on: (offset, last id)."""

    records: list[tuple[bytes, dict[str, Any]]]
    listing: Listing
    position: tuple[int, int] | None = None


@dataclass
class Crawler(Asker):
    """Walks over the streams of one site."""

    def by_id(self, stream: Stream, position: tuple[int, int] = (0, 0), **params: Any) -> Iterator[Page]:
        """Return every record in id order, each page overlapping the one before by a row.

        When the row before is not where it was, records before it have gone: the walk steps back until it finds
        its place. Rows that the server counts but does not show make pages short; a full page at the stated total
        may mean that the total is stale. Lists that know neither order nor offset are read by page number.
        """
        if not stream.has_offset:
            yield from self._by_number(stream, **params)
            return
        offset, last = position
        lap, total, searching, barren = min(1, offset), None, False, 0
        searched: list[int] = []
        first: list[int] = []
        while True:
            listing, start, size = self._page_at(stream, offset, lap, **params)
            ids = listing.ids
            if ids != sorted(ids) or (start and first and ids == first):
                yield from self._by_number(stream, **params)
                return
            is_checked = searching or start < offset
            # Rows that are not shown may hide the place for ever: three searches for it are enough.
            if start and is_checked and _lost(listing, last) and searched.count(last) < _MOST_SEARCHES:
                offset, lap, searching = max(0, start - max(1, _covered(listing, size) // 2)), 0, True
                continue
            first = first or ids
            total = listing.total if listing.total is not None else total
            fresh = [record for record in listing.records if int(record[1]["id"]) > last]
            # What was searched for lies beyond the rows seen, however many the page should have had.
            offset = start + (max(1, len(ids)) if searching else _covered(listing, size))
            searched, searching = [*searched, last] if searching else searched, False
            last = max([last, *(int(value["id"]) for _, value in fresh)])
            lap = 0 if listing.answer is None else 1
            yield Page(fresh, listing, (offset, last))
            barren = _barren(barren, fresh, listing)
            if listing.answer is not None and _is_last(listing, offset, total, size, bool(fresh)):
                return

    def _page_at(self, stream: Stream, offset: int, lap: int, **params: Any) -> tuple[Listing, int, int]:
        """Return the page at ``offset`` less ``lap``, its first row and how many records were asked for.

        A single record that the server fails on is reported and stepped over.
        """

        def start(size: int) -> int:
            # A single record is asked for without overlap, or the walk would stand still.
            return offset - lap if size > lap else offset

        def place(size: int) -> dict[str, Any]:
            return {"orderby": "id", "order": "asc", "offset": start(size)}

        before = self.per_page
        try:
            listing, size = self.fitting(stream, place, **params)
        except TransientSourceError as error:
            self.isolate(stream, offset, error, **params, **place(1))
            self.per_page = before
            return Listing([], None, None), offset, 1
        return listing, start(size), size

    def _by_number(self, stream: Stream, **params: Any) -> Iterator[Page]:
        """Return every record of a list that is read by page number.

        A record that goes away moves those behind it up by one, across the border of a page. So a list that is
        shorter at its end than at its beginning is read again.
        """
        seen: set[int] = set()
        for _ in range(_MOST_READINGS):
            totals: list[int] = []
            for page in self._numbers(stream, **params):
                totals += [page.listing.total] if page.listing.total is not None else []
                yield replace(page, records=[r for r in page.records if int(r[1]["id"]) not in seen])
                seen.update(int(value["id"]) for _, value in page.records)
            if not totals or totals[-1] >= totals[0]:
                return

    def _numbers(self, stream: Stream, **params: Any) -> Iterator[Page]:
        seen: set[int] = set()
        start = barren = 0
        while True:
            listing, size = self._numbered(stream, start, **params)
            fresh = [record for record in listing.records if int(record[1]["id"]) not in seen]
            seen.update(int(value["id"]) for _, value in fresh)
            yield Page(fresh, listing)
            barren = _barren(barren, fresh, listing)
            start += size
            is_more = bool(fresh) and len(listing.records) >= size
            if listing.total is not None:
                is_more = is_more or start < max(listing.total, (listing.pages or 0) * size - size + 1)
            elif listing.answer is not None:
                is_more = bool(fresh)
            if not is_more and not (listing.answer is None and listing.note):
                return

    def _numbered(self, stream: Stream, start: int, **params: Any) -> tuple[Listing, int]:
        """Return the page that begins at row ``start``, and how many records were asked for."""

        def fit(most: int) -> int:
            return next(size for size in range(most, 0, -1) if start % size == 0)

        def place(size: int) -> dict[str, Any]:
            return {"orderby": "id", "order": "asc", "page": start // size + 1}

        try:
            return self.fitting(stream, place, fit, **params)
        except TransientSourceError as error:
            self.isolate(stream, start, error, **params, **place(1))
            return Listing([], None, None, "poisoned"), 1
        except SourceError as error:
            # Half of WordPress's lists answer past their end with an error, half with an empty list.
            if start and error.code in _PAST_THE_END:
                return Listing([], None, None), fit(self.per_page)
            raise

    def modified_since(
        self, stream: Stream, since: datetime, overlap: timedelta = OVERLAP, **params: Any
    ) -> Iterator[Page]:
        """Return what was modified after ``since`` less ``overlap``, oldest first.

        Keyset on the site's own ``modified`` column, the one the server compares: after a full page the last second
        is set aside and listed whole by id, so a thousand posts of one second all come.

        Raises:
            ParameterIgnored: the server does not know the parameter.
        """
        start = since - overlap
        cursor, before = as_parameter(start), None
        while True:
            listing, size = self._modified_after(stream, cursor, **params)
            self._require_honoured(listing, start)
            if _is_whole(listing, size):
                yield Page(listing.records, listing)
                return
            last = naive(listing.records[-1][1].get("modified")) if listing.records else None
            if last is None:
                raise ParameterIgnored("the site does not state modification times")
            yield Page([r for r in listing.records if (naive(r[1].get("modified")) or last) < last], listing)
            yield from self._second(stream, last, **params)
            is_forward = before is None or last > before
            if f"{last:%Y-%m-%dT%H:%M:%S}" == cursor or not is_forward:
                raise ParameterIgnored("the site ignores modified_after")
            cursor, before = f"{last:%Y-%m-%dT%H:%M:%S}", last

    def last_modified(self, stream: Stream, after: datetime) -> tuple[Listing, bool]:
        """Return the hundred last modified ``after`` a moment, and whether there are no more of them.

        Raises:
            ParameterIgnored: the server does not know the parameter.
        """
        listing, size = self._modified_after(stream, as_parameter(after), "desc")
        self._require_honoured(listing, after)
        return listing, _is_whole(listing, size)

    def _modified_after(self, stream: Stream, cursor: str, order: str = "asc", **params: Any) -> tuple[Listing, int]:
        try:
            return self.fitting(stream, orderby="modified", order=order, modified_after=cursor, **params)
        except TransientSourceError as error:
            if error.status is None or not self.answers(stream):
                raise
            raise ParameterIgnored("one of the latest records makes the server fail") from error
        except SourceError as error:
            if error.code == "rest_invalid_param":
                raise ParameterIgnored("the site refuses modified_after") from error
            raise

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
                raise ParameterIgnored("the site ignores modified_after")

    def newest(self, stream: Stream, by: str) -> Listing:
        """Return the ids of the hundred newest records by ``id`` or ``date``, and the total: the cheap look.

        By id come those dated back, by date those scheduled long ago.
        """
        return self.fitting(stream, orderby=by, order="desc", _fields="id")[0]

    def sweep(self, stream: Stream, **params: Any) -> tuple[dict[int, dict[str, Any]], int | None]:
        """Return id → id and times of every record, and the total the server states at the end."""
        found: dict[int, dict[str, Any]] = {}
        total: int | None = None
        for page in self.by_id(stream, _fields=_SWEPT_FIELDS, **params):
            found.update({int(value["id"]): value for _, value in page.records})
            total = page.listing.total if page.listing.total is not None else total
        return found, total

    def of_ids(self, stream: Stream, ids: Sequence[int], **params: Any) -> Iterator[Page]:
        """Return the records of these ids, as far as the list shows them, a hundred at a time."""
        most = min(100, self.per_page)
        pending = [list(ids[start : start + most]) for start in range(0, len(ids), most)]
        while pending:
            wanted = pending.pop(0)
            include = {"include": ",".join(map(str, wanted)), "orderby": "id", **params}
            try:
                listing = self.sized(stream, len(wanted), **include)
            except TransientSourceError as error:
                if len(wanted) == 1:
                    self.isolate(stream, wanted[0], error, **include)
                else:
                    middle = len(wanted) // 2
                    pending[:0] = [wanted[:middle], wanted[middle:]]
                continue
            yield Page(listing.records, listing)


def _barren(before: int, fresh: Sequence[object], listing: Listing) -> int:
    """Return how many pages in a row have shown nothing new.

    Raises:
        TransientSourceError: so many that no count of the server can be believed.
    """
    barren = 0 if fresh else before + 1
    if barren >= _MOST_BARREN:
        raise TransientSourceError(
            f"The list counts {listing.total} records, but showed none in {barren} pages one after the other.",
            remedy="What it showed before is kept; ask the site's owner what hides the rest.",
        )
    return barren


def _lost(listing: Listing, last: int) -> bool:
    """Tell whether a page shows that rows before it have gone: past the end, or without the row it should repeat."""
    if listing.answer is None:
        return False
    if not listing.records:
        # Past the end WordPress states a total of none; a page of rows that it may not show states the real one.
        return not listing.total
    return min(listing.ids) > last


def _covered(listing: Listing, size: int) -> int:
    """Return how many rows a page stands for: those shown, and those counted but hidden among them."""
    if listing.total is None:
        return max(1, len(listing.records))
    if listing.pages and listing.pages > -(-listing.total // size):
        # The server gives fewer at a time than it was asked for.
        size = -(-listing.total // listing.pages)
    return max(size, len(listing.records))


def _is_last(listing: Listing, offset: int, total: int | None, size: int, is_fresh: bool) -> bool:
    is_full = is_fresh and len(listing.records) >= size
    return offset >= total and not is_full if total is not None else not is_fresh


def _is_whole(listing: Listing, per_page: int) -> bool:
    if listing.total is not None and len(listing.records) <= listing.total:
        return listing.total <= per_page and not (listing.pages and listing.pages > 1)
    return len(listing.records) < per_page
