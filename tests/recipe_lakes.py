"""The lake that the recipes in docs/recipes are shown on: the examples, and what three sites did in the weeks after.

Everything an ingest can bring comes in as files through the pipeline. What only a live site tells (removals, streams
that were cut short) is entered as a run would enter it. The lake's clock is set, so that every answer is the same
whenever it is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flows.batches import Gone
from flows.jobs import IngestRequest, ingest
from flows.removal import buried
from flows.settings import Settings
from flows.upkeep import maintain
from warehouse.catalog import publish
from warehouse.commit import append_rows, commit_documents
from warehouse.lake import Lake

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LEDGER, HERALD = "alderbayledger.example", "otterpointherald.example.net"
FIRST, SECOND, THIRD = (datetime(2026, 5, 18, 6, tzinfo=UTC) + timedelta(weeks=n) for n in range(3))
_AUTHORS = {2: "Tamsin Okafor-Lind", 5: "Ruben Halvorsen", 8: "Leopold Ansah-Whitby"}
_CATEGORIES = {1: "Town", 4: "Harbour", 7: "Arts & Music", 9: "Sport"}

BANDSTAND = (
    "<p>The bandstand on the green has eight posts, and five of them are sound. On Friday the council decides whether "
    "that is enough.</p><p>An engineer’s report, which the Ledger has read, puts the repair at $61,200 and a new "
    "bandstand at $58,900. The difference, the report notes drily, “is the price of the old one”.</p>"
)
BLUE = (
    "<p>The ferry came back from the yard on Thursday in a blue that nobody had ordered. The skipper likes it, the "
    "harbour office does not, and the <a href='https://tides.example.org/june'>tide tables</a> take no side.</p><p>The "
    "first crossing left at half past six with forty passengers, two bicycles and a tuba, and was late by the usual "
    "eleven minutes.</p>"
)


def _post(site: str, number: int, published: str, title: str, content: str, **more: Any) -> dict[str, Any]:
    """Return a post as a site's API answers it, with its author and categories beside it."""
    author, categories = more.pop("author", 2), more.pop("categories", [1])
    slug = more.pop("slug", "-".join(title.lower().replace(",", "").split()))
    terms = [{"id": c, "taxonomy": "category", "name": _CATEGORIES[c], "slug": str(c)} for c in categories]
    return {
        "id": number, "type": "post", "status": "publish", "slug": slug, "title": {"rendered": title},
        "link": f"https://{site}/{published[:4]}/{published[5:7]}/{slug}/", "content": {"rendered": content},
        "date_gmt": published, "modified_gmt": more.pop("modified", published), "author": author,
        "categories": categories,
        "_embedded": {"author": [{"id": author, "name": _AUTHORS[author], "slug": str(author)}], "wp:term": [terms]},
        **more,
    }  # fmt: skip


def _second() -> list[dict[str, Any]]:
    """The week from 18 May: new articles, a copy on another site, and a headline changed under an old date."""
    bandstand = next(post for post in json.loads((EXAMPLES / "rest/posts.json").read_text()) if post["id"] == 1588)
    bandstand["title"]["rendered"] = "Bandstand to Be Replaced, Report Says"
    return [
        bandstand,
        _post(LEDGER, 1590, "2026-05-18T06:30:00", "Ferry Off for a Week, Smaller Boat Steps In",
              "<p>The ferry goes to the yard for paint, says the <a href='https://otterpointherald.example.net/2026/05/"
              "ferry-painted-passengers-queue/'>Herald</a>. Until Sunday the smaller boat runs, by the <a href="
              "'https://tides.example.org/may'>tide tables</a> and without a stove.</p>", categories=[4]),
        _post(LEDGER, 1593, "2026-05-21T19:10:00", "Bandstand Saved, Five to Two",
              "<p>The council keeps the bandstand by five votes to two, as the <a href='https://council.example.org/"
              "minutes'>minutes</a> show. The <a href='https://riverbend.example.org/museum/plan-your-visit/'>museum</a>"
              " lends the oak for three new posts.</p>", author=5, categories=[1, 7]),
        _post(HERALD, 11, "2026-05-10T08:00:00", "Will the Bandstand Fall on Friday?", BANDSTAND, author=8,
              categories=[7]),
        _post(HERALD, 12, "2026-05-19T09:00:00", "Ferry Painted, Passengers Queue",
              "<p>While the ferry is painted, the queue on the mole reaches the kiosk, and the ferry office has run out "
              "of chairs. More in the <a href='https://www.alderbayledger.example/2026/05/'>Ledger</a>, and in the "
              "<a href='https://tides.example.org/may'>tables</a>.</p>", author=8, categories=[4]),
        _post(HERALD, 13, "2026-05-20T17:45:00", "Regatta Moved to the Second Sunday",
              "<p>The lantern regatta moves to the second Sunday of July, its committee told the Herald, since the moon "
              "was not consulted about the first.</p>", author=8, categories=[9]),
    ]  # fmt: skip


def _third() -> list[dict[str, Any]]:
    """The week from 25 May: a headline corrected openly, one silently, a text rewritten, another copy."""
    longer = BLUE.replace("in a blue that nobody had ordered", "in blue")
    return [
        _post(LEDGER, 1590, "2026-05-18T06:30:00", "Ferry Off for Ten Days, Smaller Boat Steps In",
              "<p>The ferry goes to the yard for paint, says the <a href='https://otterpointherald.example.net/2026/05/"
              "ferry-painted-passengers-queue/'>Herald</a>. Until Thursday the smaller boat runs, by the <a href="
              "'https://tides.example.org/may'>tide tables</a> and without a stove.</p>", categories=[4],
              slug="ferry-off-for-a-week-smaller-boat-steps-in", modified="2026-05-26T10:00:00"),
        _post(LEDGER, 1593, "2026-05-21T19:10:00", "Bandstand Saved, Four to Three",
              "<p>The council keeps the bandstand by four votes to three, as the <a href='https://council.example.org/"
              "minutes'>minutes</a> show. The <a href='https://riverbend.example.org/museum/plan-your-visit/'>museum</a>"
              " lends the oak for three new posts.</p><p>Correction: an earlier version gave the vote as five to "
              "two.</p>", author=5, categories=[7], slug="bandstand-saved-five-to-two", modified="2026-05-27T08:15:00"),
        _post(LEDGER, 1597, "2026-05-28T12:00:00", "Ferry Back in Blue", BLUE, categories=[4]),
        _post(HERALD, 14, "2026-05-29T07:30:00", "Blue Ferry Returns, Eleven Minutes Late", longer, author=8,
              categories=[4]),
    ]  # fmt: skip


@contextmanager
def _clock(start: datetime) -> Iterator[None]:
    """Let the lake's clock begin at ``start`` and gain a millisecond each time it is read."""
    reads = iter(range(10**9))
    with ExitStack() as stack:
        for module in ("warehouse.commit", "warehouse.ledger", "flows.pipeline"):
            stack.enter_context(patch(f"{module}.utcnow", lambda: start + timedelta(milliseconds=next(reads))))
        yield


def _run(day: datetime, site: str, stream: str, expected: int, fetched: int, **more: Any) -> dict[str, Any]:
    completeness = "complete" if expected == fetched else "partial"
    return {
        "run_id": f"{day:%Y%m%dT%H%M%S}000000-a1b2c3", "site": site, "stream": stream, "command": "sync",
        "source": f"https://{site}", "state": "finished", "started_at": day, "finished_at": day + timedelta(minutes=4),
        "seconds": 240.0, "fetched": fetched, "new": 0, "changed": 0, "unchanged": fetched, "rejected": 0,
        "deleted": 0, "expected": expected, "completeness": completeness,
    } | more  # fmt: skip


def recipe_lake(folder: Path) -> Lake:
    """Build the lake below ``folder``, publish it, and return it."""
    settings = Settings(lake=str(folder / "lake"), workers=1)
    states = {SECOND: _second(), THIRD: _third()}
    with _clock(FIRST):
        ingest(IngestRequest(tuple(str(EXAMPLES / name) for name in ("rest", "export", "pages", "notes"))), settings)
    for moment, posts in states.items():
        file = folder / f"{moment:%Y-%m-%d}.json"
        file.write_text(json.dumps(posts))
        with _clock(moment):
            ingest(IngestRequest((str(file),)), settings)
    lake = Lake.open(settings.lake)
    gone = [Gone(HERALD, "post", "13", "deleted"), Gone(LEDGER, "post", "1391", "hidden")]
    with _clock(THIRD + timedelta(hours=1)):
        commit_documents(lake, buried(lake, "documents", gone, "run", THIRD + timedelta(hours=1)))
    late = [day + timedelta(hours=2) for day in (FIRST, SECOND, THIRD)]
    append_rows(lake, "runs", [
        _run(late[0], HERALD, "posts", 5, 3, reason="2 posts could not be read", missing=["9", "10"]),
        _run(late[1], HERALD, "posts", 5, 5),
        _run(late[2], HERALD, "posts", 6, 4, reason="stopped after 12 answers with status 503", missing=["15", "16"]),
        _run(late[2], HERALD, "comments", 40, 0, completeness="blocked", reason="the site closes this stream (401)"),
        _run(late[0], LEDGER, "posts", 14, 13, reason="1 post could not be read", missing=["1391"]),
        _run(late[2], LEDGER, "posts", 14, 14),
    ])  # fmt: skip
    maintain(settings, vacuuming=False)
    publish(lake)
    return lake
