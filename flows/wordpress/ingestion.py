"""Ingesting one WordPress site: every stream, by full scan or increment, with deletions and proof of completeness.

A stream goes through the same phases every time: what changed (``changes``), then what is there
(``reconciliation``). An increment that finds nothing new costs two requests a stream.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flows.pipeline import Pipeline
from flows.wordpress.api import WordPress
from flows.wordpress.changes import Changes, Window
from flows.wordpress.doctor import login
from flows.wordpress.intake import Intake
from flows.wordpress.reconciliation import Reconciliation
from flows.wordpress.streams import Stream, chosen, streams_of
from schemas.errors import BlockedSourceError, NotNowError, SourceError, TransientSourceError
from warehouse.ledger import StreamRun

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What of a site to ingest; ``full`` reads everything again."""

    kinds: tuple[str, ...] = ()
    window: Window = field(default_factory=Window)
    full: bool = False


class SiteIngest:
    """One site in one run."""

    def __init__(self, api: WordPress, pipeline: Pipeline, options: Options) -> None:
        """Prepare; nothing is asked of the site yet."""
        self.api, self.pipeline, self.options = api, pipeline, options
        self.intake = Intake(api, pipeline)
        self.changes = Changes(self.intake)
        self.reconciliation = Reconciliation(self.intake)

    def run(self) -> None:
        """Ingest the chosen streams one after the other. A stream that is refused ends only itself.

        Raises:
            UsageError: a chosen stream does not exist.
            LakeError: the lake cannot be written.
        """
        streams, taxonomies, problems = streams_of(self.api)
        self.intake.streams = {stream.kind: stream for stream in streams}
        self.intake.taxonomies = taxonomies
        if self.api.client.credentials is not None:
            self._log_in()
        self.pipeline.fetch_names = self.intake.fetch_names
        selected = chosen(streams, self.options.kinds)
        if self.options.window and not self.options.kinds:
            # Terms and authors know no publication time; those that documents name are fetched with them.
            selected = [stream for stream in selected if stream.has_offset]
        try:
            for stream in selected:
                self._stream(stream, problems)
            if not self.options.window:
                self.reconciliation.memberships(selected)
        finally:
            self.pipeline.fetch_names = None

    def _log_in(self) -> None:
        """Ask for drafts, private and raw content if the server saw the credentials.

        Raises:
            BlockedSourceError: it did not; going on would quietly leave out what was asked for.
        """
        seen = login(self.api)
        if not seen.startswith("seen"):
            given = urlsplit(self.api.client.origin).netloc
            moved = urlsplit(self.api.root).netloc
            remedy = "Mend PRESSLAKE_USER and PRESSLAKE_APP_PASSWORD, or unset them to read what is public."
            if given != moved:
                remedy = f"The login was given for {given}, but the API is at {moved}: name the site by that address."
            raise BlockedSourceError(f"{self.api.root} did not accept the login ({seen}).", remedy=remedy)
        self.intake.crawler.authorised = {"context": "edit", "status": "any"}

    def _stream(self, stream: Stream, problems: list[str]) -> None:
        run = self.pipeline.stream(self.api.site, stream.name)
        run.begin()
        with self.api.client.counted(run):
            try:
                if stream.table == "documents" and problems:
                    run.reasons.extend(problems)
                self._ingest(stream, run)
            except (TransientSourceError, NotNowError) as error:
                run.incomplete("partial", str(error))
            except SourceError as error:
                run.incomplete("blocked", str(error))
            finally:
                if self.api.polluted:
                    run.reasons.append(f"{self.api.polluted} polluted answers were salvaged")
                    self.api.polluted = 0
        run.end()

    def _ingest(self, stream: Stream, run: StreamRun) -> None:
        if self.options.window:
            self.changes.window(stream, run, self.options.window)
            return
        if not stream.is_dated:
            self.reconciliation.undated(stream, run, again=self.options.full)
            return
        known = self.intake.watermark(stream)
        run.watermark_before = run.watermark_after = known
        could_tell = True
        if known is None or self.options.full or self.changes.is_rescan_due(stream):
            self.changes.full(stream, run, again=self.options.full)
        else:
            could_tell = self.changes.increment(stream, run, known)
        if run.completeness == "complete" or not could_tell:
            newest = self.reconciliation.dated(stream, run, in_doubt=not could_tell)
            if not could_tell:
                self.changes.finish(stream, run, newest)
