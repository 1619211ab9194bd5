"""Where the lake stands, as OpenMetrics text: for a file that a collector picks up.

Format: OpenMetrics 1.0, gauges only, one sample a site or stream; it ends with ``# EOF``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SITES = """
    SELECT site, documents, deleted, epoch(newest_published_at), epoch(last_run_at) FROM sites ORDER BY site
"""
_STREAMS = """
    SELECT r.site, r.stream, (r.completeness = 'complete')::INT, r.rejected, r.seconds
    FROM runs AS r
    QUALIFY row_number() OVER (PARTITION BY r.site, r.stream ORDER BY r.finished_at DESC) = 1
    ORDER BY r.site, r.stream
"""
_OF_SITES = (
    ("presslake_documents", "Documents public now."),
    ("presslake_documents_deleted", "Documents found deleted or unpublished."),
    ("presslake_newest_publication_timestamp_seconds", "When the newest document was published."),
    ("presslake_last_run_timestamp_seconds", "When the last run of the site ended."),
)
_OF_STREAMS = (
    ("presslake_stream_complete", "Whether the last run of the stream was complete."),
    ("presslake_stream_rejected", "Records its last run put in quarantine."),
    ("presslake_stream_seconds", "How long its last run took."),
)


def openmetrics(connection: Any) -> str:
    """Return the metrics of a lake whose catalog is open."""
    lines: list[str] = []
    lines += _family(connection.execute(_SITES).fetchall(), ("site",), _OF_SITES)
    lines += _family(connection.execute(_STREAMS).fetchall(), ("site", "stream"), _OF_STREAMS)
    return "\n".join([*lines, "# EOF", ""])


def _family(
    rows: list[tuple[Any, ...]], labels: tuple[str, ...], metrics: tuple[tuple[str, str], ...]
) -> Iterator[str]:
    for position, (name, meaning) in enumerate(metrics, start=len(labels)):
        yield f"# TYPE {name} gauge"
        yield f"# HELP {name} {meaning}"
        for row in rows:
            if row[position] is not None:
                named = ",".join(f'{label}="{_escaped(row[at])}"' for at, label in enumerate(labels))
                yield f"{name}{{{named}}} {float(row[position])!r}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
