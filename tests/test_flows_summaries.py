"""What a run tells in Prefect: its summary as Markdown, and how each site stands."""

from __future__ import annotations

from typing import Any

from flows.jobs import Outcome
from flows.summaries import markdown_summary, standings
from schemas.errors import BlockedSourceError
from schemas.records import Counts, Rejection
from warehouse.ledger import StreamRun


def row(site: str, stream: str, completeness: str = "complete", reason: str = "") -> dict[str, Any]:
    run = StreamRun("r1", site, stream, "sync", site, counts=Counts(fetched=3, new=3))
    if reason:
        run.incomplete(completeness, reason)
    return run.finish({})


def outcome() -> Outcome:
    refused = row("a.example", "tags", "blocked", "refused | by\na firewall")
    streams = [row("a.example", "posts"), refused, row("b.example", "posts")]
    rejections = [Rejection("a.example", "post", str(n), "no_title", "It has none.", "rest") for n in range(2)]
    failures: list[Any] = [("https://c.example/blog", BlockedSourceError("It is closed."))]
    return Outcome("r1", "/lakes/it's", streams, failures, rejections)


def test_a_summary_says_what_came_in_what_did_not_and_where_to_look() -> None:
    text = markdown_summary(outcome())
    assert "| a.example | posts | complete |  | 3 | 3 | 0 | 0 | 0 | 0 |" in text
    assert "- a.example tags: refused \\| by a firewall" in text
    assert "- a.example: 2 × `no_title`" in text
    assert "- https://c.example/blog: It is closed." in text
    assert """presslake sql --lake '/lakes/it'"'"'s' "SELECT * FROM runs WHERE run_id LIKE 'r1%'\"""" in text


def test_a_site_stands_as_its_worst_stream() -> None:
    assert standings(outcome()) == [
        ("a.example", "blocked", "tags: refused | by\na firewall"),
        ("b.example", "complete", ""),
        ("c.example/blog", "failed", "It is closed."),
    ]
