"""What is there: the site's lists compared with the lake, what is missing fetched, what is gone confirmed one by one.

An increment that finds nothing new costs one look at the newest ids and the total. Only if these disagree with the
lake, or a day has passed, are all ids swept. Absence from a list alone deletes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.batches import Gone
from flows.wordpress.api import Listing
from flows.wordpress.intake import NEVER, Intake
from flows.wordpress.streams import Stream
from schemas.errors import BlockedSourceError, SourceError
from schemas.keys import from_micros, hidden_id, micros, public_count_id, swept_id
from warehouse.heads import members, stated_counts
from warehouse.ledger import StreamRun

_GONE_CODES = {"rest_post_invalid_id", "rest_term_invalid", "rest_user_invalid_id", "rest_comment_invalid_id",
               "rest_no_route"}  # fmt: skip
_HIDDEN_CODES = {"rest_forbidden", "rest_user_cannot_view", "rest_cannot_read", "rest_cannot_read_post"}
_HIDDEN_STATUSES = {401, 403}
_PUBLIC = {None, "publish", "inherit", "approved"}
# Lists of up to so many pages are simply read: that is how renamed terms and edited comments are seen at once.
_SHORT_LIST_PAGES = 2
# A list that lost more than this share of its records since the last time is worth a word.
_REMARKABLE_LOSS = 0.1


class Reconciliation:
    """Compares the streams of one site with the lake."""

    def __init__(self, intake: Intake) -> None:
        """Prepare; nothing is asked of the site yet."""
        self.intake, self.crawler = intake, intake.crawler

    def dated(self, stream: Stream, run: StreamRun, *, in_doubt: bool) -> datetime:
        """Reconcile a stream whose edits were read; ``in_doubt``: they could not be, so compare everything.

        Returns:
            The newest modification time among what had to be fetched.
        """
        now = datetime.now(UTC)
        if not in_doubt and self._is_settled(stream, run) and not self._is_sweep_due(stream):
            return NEVER
        there, total = self.crawler.sweep(stream)
        run.expected = total if total is not None else run.expected
        here = self.intake.known(stream)
        different = [id_ for id_, value in sorted(there.items()) if self._differs(stream, here, value)]
        newest = self.intake.take(stream, run, self.crawler.of_ids(stream, different), is_part=True).newest
        accounted = self.intake.rejected(stream.kind) | self.intake.known(stream).keys()
        lost = [str(id_) for id_ in sorted(there) if str(id_) not in accounted]
        if lost:
            run.incomplete("partial", f"{len(lost)} listed by the site could not be fetched: {_some(lost)}", lost)
        # What a stream that is not complete does not show may be there all the same.
        if run.completeness == "complete":
            self._compared(stream, run, set(there), len(here), now, keep=True)
        return newest

    def undated(self, stream: Stream, run: StreamRun, *, again: bool) -> None:
        """Take a list that knows no modification times; a long one only if it seems to have changed, or after a day."""
        now, before = datetime.now(UTC), self.intake.known(stream)
        is_long = len(before) > _SHORT_LIST_PAGES * self.crawler.per_page
        if is_long and not again and not self._is_sweep_due(stream):
            probe = self.crawler.newest(stream, by="id")
            run.expected = probe.total
            is_news = not {str(id_) for id_ in probe.ids} <= before.keys()
            if not is_news and probe.total == len(before) + self._hidden(stream):
                return
        counted = self._stated(stream)
        there = self.intake.take(stream, run, self.crawler.by_id(stream)).ids
        if counted:
            now_counted = self._stated(stream)
            self.intake.recounted[stream.kind] = {i: n for i, n in now_counted.items() if counted.get(i) != n}
        if run.completeness == "complete":
            self._compared(stream, run, there, len(before), now, keep=is_long or len(there) > len(before))

    def _stated(self, stream: Stream) -> dict[str, int]:
        """Return how many documents the site states for each term, as the lake knows it; nothing for other streams."""
        if stream.table != "terms":
            return {}
        return stated_counts(self.intake.table("terms"), self.intake.site, stream.kind)

    def memberships(self, selected: Iterable[Stream]) -> None:
        """Fetch documents that were given a term, or lost one, without their modification time telling.

        WordPress's own functions for terms change nothing on the document, but the term's count (4.7 to 7.1). Only
        terms whose count changed, and differs from the lake's, are listed.
        """
        wanted = {(taxonomy, id_) for taxonomy, counts in self.intake.recounted.items() for id_ in counts}
        if not wanted:
            return
        here = members(self.intake.table("documents"), self.intake.site, wanted)
        for taxonomy, id_ in sorted(wanted):
            stated, term_stream = self.intake.recounted[taxonomy][id_], self.intake.streams[taxonomy]
            known = here[taxonomy, id_]
            if stated == sum(len(ids) for ids in known.values()):
                continue
            for stream in selected:
                if stream.kind in term_stream.of and stream.table == "documents":
                    self._take_members(stream, term_stream.name, id_, known[stream.kind])

    def _take_members(self, stream: Stream, base: str, term: str, known: set[str]) -> None:
        run = self.intake.pipeline.stream(self.intake.site, stream.name)
        if run.completeness != "complete":
            return
        with self.intake.api.client.counted(run), suppress(SourceError):  # the next run sees the same counts
            having: dict[str, Any] = {base: term}
            pages = self.crawler.by_id(stream, _fields="id", **having)
            listed = {value["id"] for page in pages for _, value in page.records}
            different = sorted(listed ^ {int(id_) for id_ in known if id_.isdecimal()})
            self.intake.take(stream, run, self.crawler.of_ids(stream, different), is_part=True)

    def _is_settled(self, stream: Stream, run: StreamRun) -> bool:
        """Fetch what is new among the newest records; return whether the totals agree."""
        probe = self.crawler.newest(stream, by="id")
        is_news = self._fetch_unseen(stream, run, probe)
        if probe.total is None:
            return False
        if run.counts.new or run.counts.changed or is_news or probe.total != self._count(stream):
            # Something happens here: look at the other end of what modification times do not tell.
            probe = self.crawler.newest(stream, by="date")
            self._fetch_unseen(stream, run, probe)
        is_settled = probe.total == self._count(stream)
        if is_settled:
            self._say_hidden(run, self._hidden(stream))
        return is_settled

    def _fetch_unseen(self, stream: Stream, run: StreamRun, probe: Listing) -> bool:
        run.expected = probe.total
        here = self.intake.known(stream, probe.ids)
        unseen = [id_ for id_ in probe.ids if str(id_) not in here]
        if unseen:
            self.intake.take(stream, run, self.crawler.of_ids(stream, unseen), is_part=True)
        return bool(unseen)

    def _count(self, stream: Stream) -> int:
        """Return how many records the site should count, by what the lake takes to be public."""
        if stream.table != "documents":
            return len(self.intake.known(stream)) + self._hidden(stream)
        counted = self.intake.mark(stream, public_count_id(self.intake.site, stream.kind)) or 0
        return counted + self._hidden(stream)

    def _differs(self, stream: Stream, here: dict[str, datetime | None], value: dict[str, Any]) -> bool:
        id_ = str(value["id"])
        if id_ in self.intake.rejected(stream.kind):
            return False
        if id_ not in here:
            return True
        stated = self.intake.modified(value)
        return stated is not None and stated != here[id_]

    def _is_sweep_due(self, stream: Stream) -> bool:
        swept = self.intake.mark(stream, swept_id(self.intake.site, stream.kind))
        age = timedelta(hours=self.intake.settings.sweep_hours)
        return swept is None or datetime.now(UTC) - from_micros(swept) > age

    def _compared(
        self, stream: Stream, run: StreamRun, there: set[int], before: int, now: datetime, *, keep: bool
    ) -> None:
        """Bury what a whole list of the site lacks, and note (``keep``) when it was compared and what it hides."""
        if len(there) < before * (1 - _REMARKABLE_LOSS):
            run.reasons.append(f"the site lists {len(there)}, and {before} the last time")
        self._bury(stream, run, sorted(self.intake.known(stream).keys() - {str(id_) for id_ in there}))
        hidden = max(0, (run.expected or 0) - len(there))
        self._say_hidden(run, hidden)
        if keep and run.completeness == "complete":
            site, kind = self.intake.site, stream.kind
            self.intake.note(stream, run, {swept_id(site, kind): micros(now), hidden_id(site, kind): hidden})

    def _hidden(self, stream: Stream) -> int:
        return self.intake.mark(stream, hidden_id(self.intake.site, stream.kind)) or 0

    def _say_hidden(self, run: StreamRun, hidden: int) -> None:
        if hidden:
            run.reasons.append(f"the site counts {hidden} more than it shows")

    def _bury(self, stream: Stream, run: StreamRun, absent: Iterable[str]) -> None:
        """Confirm each absent record by its own address, and mark it deleted only on a clear answer."""
        gone: list[Gone] = []
        unclear: list[str] = []
        for id_ in absent:
            how = self._confirmed(stream, id_)
            if how is None:
                unclear.append(id_)
            elif how != "public":
                gone.append(Gone(self.intake.site, stream.kind, id_, how))
        if gone:
            # Who locks everybody out refuses the address of a record that is still there, too.
            self.crawler.page(stream, per_page=1, _fields="id")
            self.intake.bury(stream, run, gone)
        if unclear:
            run.incomplete("partial", f"absent from the list but not confirmed gone: {_some(unclear)}", unclear)

    def _confirmed(self, stream: Stream, id_: str) -> str | None:
        """Return ``deleted``, ``hidden`` (private, draft or trash) or ``public``; None when the answer is unclear."""
        try:
            value = self.intake.api.object(f"{stream.route}/{id_}", {"_fields": "id,status,type"})
        except BlockedSourceError as error:
            if error.status == 404 and error.code in _GONE_CODES:
                return "deleted"
            return "hidden" if error.status in _HIDDEN_STATUSES and error.code in _HIDDEN_CODES else None
        except SourceError:
            return None
        return "public" if value.get("status") in _PUBLIC else "hidden"


def _some(ids: list[str], most: int = 10) -> str:
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more
