"""One site, however much of it is open: the API first, pages and feed where it is closed or leaves something out."""

from __future__ import annotations

from contextlib import suppress

from flows.pipeline import Pipeline
from flows.wordpress.discovery import discover
from flows.wordpress.fallback import ingest_closed, ingest_unlisted
from flows.wordpress.ingestion import Options, SiteIngest
from flows.wordpress.retrieval import Client
from schemas.errors import BlockedSourceError, SourceError
from warehouse.commit import watermark


def ingest_site(pipeline: Pipeline, address: str, options: Options) -> None:
    """Ingest the site at ``address``.

    Raises:
        SourceError: it cannot be reached, or is closed and shows neither sitemap nor feed.
        UsageError: it has no such stream.
        LakeError: the lake cannot be written.
    """
    settings = pipeline.settings
    with Client(settings, settings.credentials, address, gate=pipeline.gate) as client:
        client.respect_robots(address)
        try:
            api = discover(client, address)
        except BlockedSourceError as closed:
            if not closed.is_wordpress:
                raise
            ingest_closed(client, pipeline, address, closed)
            return
        # Everything was asked for, and nothing was known or shall be trusted: the time to look for gaps.
        is_whole = not options.kinds and not options.window
        is_first = watermark(pipeline.lake, api.site, "post") is None
        SiteIngest(api, pipeline, options).run()
        if not is_whole:
            return
        refused = refusal_of_all(pipeline, api.site)
        if is_first or options.full or refused:
            has_sitemap = ingest_unlisted(api, pipeline)
            if refused and not has_sitemap:
                with suppress(SourceError):  # it stands in the ledger already
                    ingest_closed(client, pipeline, str(api.index.get("home") or address), refused, stream="feed")


def refusal_of_all(pipeline: Pipeline, site: str) -> SourceError | None:
    """Return why no document came in, where the API's index is open but its lists of documents are refused."""
    runs = [run for (of, name), run in pipeline.streams.items() if of == site and name in ("posts", "pages")]
    if not runs or any(run.completeness != "blocked" or run.counts.fetched for run in runs):
        return None
    return SourceError("; ".join(dict.fromkeys(reason for run in runs for reason in run.reasons)))
