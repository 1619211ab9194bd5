"""A run's summary as Markdown, for artifacts and reports."""

from __future__ import annotations

from flows.jobs import Outcome

_COLUMNS = (
    "site",
    "stream",
    "fetched",
    "new",
    "changed",
    "unchanged",
    "rejected",
    "deleted",
    "expected",
    "completeness",
)


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
    for title, entries in (("Notes", reasons), ("Failed sources", failures)):
        if entries:
            lines += ["", f"**{title}**", "", *entries]
    lines += ["", "```sql", f"SELECT * FROM runs WHERE run_id = '{outcome.run_id}';", "```"]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
