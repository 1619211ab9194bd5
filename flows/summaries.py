"""A run's summary as Markdown, for artifacts and reports."""

from __future__ import annotations

import shlex
from collections import Counter

from flows.jobs import Outcome
from schemas.keys import canonical_site
from warehouse.formats import markdown_cell

_COLUMNS = (
    "site", "stream", "completeness", "expected", "fetched", "new", "changed", "unchanged", "rejected", "deleted",
)  # fmt: skip


def markdown_summary(outcome: Outcome) -> str:
    """Return what a run did: a table of its streams, what is missing and why, and how to ask for more."""
    lines = [f"Run `{outcome.run_id}`, exit {outcome.exit_code}, lake `{outcome.lake}`", ""]
    if outcome.streams:
        lines += ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
        lines += ["| " + " | ".join(_cell(row[name]) for name in _COLUMNS) + " |" for row in outcome.streams]
    reasons = [
        f"- {_cell(row['site'])} {_cell(row['stream'])}: {_cell(row['reason'])}"
        for row in outcome.streams
        if row["reason"]
    ]
    failures = [f"- {_cell(source)}: {_cell(str(error))}" for source, error in outcome.failures]
    counted = Counter((rejection.site, rejection.reason) for rejection in outcome.rejections)
    rejections = [f"- {_cell(site)}: {count} × `{reason}`" for (site, reason), count in counted.most_common()]
    for title, entries in (("Notes", reasons), ("Rejected", rejections), ("Failed sources", failures)):
        if entries:
            lines += ["", f"**{title}**", "", *entries]
    sql = f"SELECT * FROM runs WHERE run_id LIKE '{outcome.run_id}%'"
    lines += ["", "**In the lake**", "", "```sh", f'presslake sql --lake {shlex.quote(outcome.lake)} "{sql}"', "```"]
    return "\n".join(lines)


def _cell(value: object) -> str:
    """Return text that renders as itself: what sites say makes no link, picture, tag or cell of its own."""
    return "" if value is None else markdown_cell(value)


def standings(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Return how each site stands: complete, partial or blocked by its worst stream, or failed; and why."""
    ranks = ("complete", "partial", "blocked")
    sites: dict[str, tuple[str, list[str]]] = {}
    for row in outcome.streams:
        completeness, reasons = sites.get(row["site"], ("complete", []))
        reasons += [f"{row['stream']}: {row['reason']}"] if row["completeness"] != "complete" else []
        sites[row["site"]] = (max(completeness, row["completeness"], key=ranks.index), reasons)
    for source, error in outcome.failures:
        site = canonical_site(source) if "://" in source else source
        sites[site] = ("failed", [*sites.get(site, ("", []))[1], str(error)])
    return [(site, standing, "; ".join(reasons)) for site, (standing, reasons) in sites.items()]
