"""What changed in a stream: everything in id order when nothing is known, what was modified since otherwise."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.rows.moments import moment
from flows.wordpress.api import Listing, as_parameter
from flows.wordpress.crawl import OVERLAP, ZONE_OVERLAP, Page, ParameterIgnored
from flows.wordpress.intake import NEVER, Intake
from flows.wordpress.streams import Stream
from schemas.keys import cursor_id, from_micros, micros, scanned_id, short_digest, swept_id, watermark_id, zone_id
from warehouse.ledger import StreamRun

log = logging.getLogger(__name__)

_PARTS = ("offset", "id", "started")


@dataclass(frozen=True)
class Window:
    """A closed-open interval of publication times, either end of which may be open."""

    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        """Tell whether it leaves anything out."""
        return self.since is not None or self.until is not None

    def holds(self, published: datetime | None) -> bool:
        """Tell whether a moment lies in the window; an unknown one may."""
        if published is None:
            return True
        return (self.since is None or published >= self.since) and (self.until is None or published < self.until)

    def parameters(self) -> dict[str, Any]:
        """Return what to ask for: more than the window, as the server compares its local time."""
        asked: dict[str, Any] = {}
        if self.since:
            asked["after"] = as_parameter(self.since - ZONE_OVERLAP)
        if self.until:
            asked["before"] = as_parameter(self.until + ZONE_OVERLAP)
        return asked


class Changes:
    """Reads what changed in the streams of one site."""

    def __init__(self, intake: Intake) -> None:
        """Prepare; nothing is asked of the site yet."""
        self.intake, self.crawler = intake, intake.crawler

    def window(self, stream: Stream, run: StreamRun, window: Window) -> None:
        """Take what was published in the window; the watermark stays, as later edits may be unknown.

        At the end the window is counted once more, and what came into it meanwhile is fetched.
        """
        if not stream.has_offset:
            self.intake.take(stream, run, self.crawler.by_id(stream))
            return
        pages = (self._inside(page, window) for page in self.crawler.by_id(stream, **window.parameters()))
        taken = self.intake.take(stream, run, pages, is_part=True).ids
        listed, _ = self.crawler.sweep(stream, **window.parameters())
        there = {id_ for id_, value in listed.items() if window.holds(self._published(value))}
        missing = sorted(there - taken)
        taken |= self.intake.take(stream, run, self.crawler.of_ids(stream, missing), is_part=True).ids
        run.expected = len(there)
        lost = [str(id_) for id_ in sorted(there - taken) if str(id_) not in self.intake.rejected(stream.kind)]
        if lost:
            run.incomplete("partial", f"{len(lost)} listed by the site could not be fetched", lost)

    def _inside(self, page: Page, window: Window) -> Page:
        return replace(page, records=[r for r in page.records if window.holds(self._published(r[1]))])

    def _published(self, value: Mapping[str, Any]) -> datetime | None:
        return moment(value.get("date_gmt"), value.get("date"), self.intake.zone)[0]

    def full(self, stream: Stream, run: StreamRun, *, again: bool) -> None:
        """Take everything in id order, going on where an earlier scan was ended unless it shall start ``again``."""
        started, position = self._cursor(stream, again)
        if position != (0, 0):
            log.info("%s %s: going on after id %s", self.intake.site, stream.name, position[1])
        taken = self.intake.take(stream, run, self.crawler.by_id(stream, position), started=started)
        newest = taken.newest
        if taken.ids or position != (0, 0):
            # What was edited behind the walk is newer than its start. (In an empty stream nothing was.)
            with suppress(ParameterIgnored):
                newest = max(newest, self._edited(stream, run, started, OVERLAP))
        site, kind = self.intake.site, stream.kind
        seen = {scanned_id(site, kind): micros(started), swept_id(site, kind): micros(started)}
        self.finish(stream, run, newest, seen)

    def _cursor(self, stream: Stream, again: bool) -> tuple[datetime, tuple[int, int]]:
        """Return when the unfinished full scan began and where it stands; now and the beginning if there is none."""
        parts = [cursor_id(self.intake.site, stream.kind, part) for part in _PARTS]
        offset, id_, started = self.intake.marks(stream, parts).values()
        if not started or again:
            return datetime.now(UTC), (0, 0)
        return from_micros(started), (offset or 0, id_ or 0)

    def is_rescan_due(self, stream: Stream) -> bool:
        """Tell whether the last full scan is so long ago that edits which no list shows call for another."""
        scanned = self.intake.mark(stream, scanned_id(self.intake.site, stream.kind))
        age = timedelta(days=self.intake.settings.rescan_days)
        return scanned is not None and datetime.now(UTC) - from_micros(scanned) > age

    def increment(self, stream: Stream, run: StreamRun, known: datetime) -> bool:
        """Take what was modified since ``known``; return whether the site could tell."""
        id_ = zone_id(self.intake.site, stream.kind)
        setting = self.intake.zone_setting
        zone_now = 0 if setting is None else short_digest(setting)
        overlap = OVERLAP if zone_now and self.intake.mark(stream, id_) == zone_now else ZONE_OVERLAP
        try:
            newest = self._edited(stream, run, known, overlap)
        except ParameterIgnored as why:
            run.reasons.append(f"{why}: compared all modification times instead")
            return False
        self.finish(stream, run, newest)
        return True

    def _edited(self, stream: Stream, run: StreamRun, since: datetime, overlap: timedelta) -> datetime:
        """Take what was modified after ``since`` less ``overlap``; return the newest modification time.

        After a busy hour the overlap holds hundreds of records that are known already. So the last hundred are
        looked at first: if all of them, and as many in all, are known, there is nothing to walk through.
        """
        listing, is_whole = self.crawler.last_modified(stream, since - overlap)
        is_known = is_whole or self._knows(stream, listing, since - overlap)
        newest = self.intake.take(stream, run, iter([Page(listing.records, listing)]), is_part=True).newest
        if is_known:
            return newest
        walk = self.crawler.modified_since(stream, since, overlap)
        return self.intake.take(stream, run, walk, is_part=True).newest

    def _knows(self, stream: Stream, last: Listing, after: datetime) -> bool:
        """Tell whether the lake knows each of the ``last`` modified, and as many in all as the site counts."""
        known = self.intake.known(stream, after=after)
        stated = (self.intake.modified(value) for _, value in last.records)
        return last.total == len(known) and all(
            time is not None and known.get(str(id_)) == time for id_, time in zip(last.ids, stated, strict=True)
        )

    def finish(self, stream: Stream, run: StreamRun, newest: datetime, more: Mapping[str, int] | None = None) -> None:
        """Raise the watermark to what is known to be complete, and forget the cursor of a full scan."""
        site, kind = self.intake.site, stream.kind
        cursor = [cursor_id(site, kind, part) for part in _PARTS]
        marks = {id_: 0 for id_, stored in self.intake.marks(stream, cursor).items() if stored} | dict(more or {})
        if self.intake.zone_setting is not None:
            marks[zone_id(site, kind)] = short_digest(self.intake.zone_setting)
        known = self.intake.watermark(stream)
        newest = min(newest, datetime.now(UTC))
        if newest > max(known or NEVER, NEVER):
            marks[watermark_id(site, kind)] = micros(newest)
        self.intake.note(stream, run, marks)
        run.watermark_after = self.intake.watermark(stream)
