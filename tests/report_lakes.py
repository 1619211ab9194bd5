"""Lakes for tests of the report: varied and hostile, empty, and each of the odd shapes that charts stumble over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from documents import row, table

from schemas.records import Rejection
from warehouse import catalog, commit
from warehouse.lake import Lake

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "\"'><svg onload=alert(3)>&amp;&lt;b&gt;",
    "</style><style>*{display:none}</style>]]><!--",
    "nul\x00bell\x07 esc\x1b[2J line\u2028 \u2029 bom\ufeff",
    "\u202eevil.exe\u202c \u2066right\u2069 \u200fto left",
    "W" * 4096,
    "漢字" * 2000,
    "z\u0335\u0336\u0337" * 900,
    "javascript:alert(4)",
    "${7*7} {{7*7}} $title %s",
    "مرحبا بالعالم شالوم שלום",
)
DOMAINS = ("https://www.One.example/x", "http://user@two.example:8080/?a=/b", "https://three.example?q", "mailto:x@y",
           "http:/broken/x", "ftp://four.example", "https://", "https://five.example#x/y", "//six.example/x")  # fmt: skip


def lake_of(folder: Path, *rows: dict[str, Any], runs: list[dict[str, Any]] = []) -> Lake:  # noqa: B006
    lake = Lake.open(str(folder), create=True)
    if rows:
        commit.commit_documents(lake, table(*rows))
    if runs:
        commit.append_rows(lake, "runs", runs)
    catalog.publish(lake)
    return lake


def run_row(site: str, stream: str, *, completeness: str = "complete", reason: str | None = None) -> dict[str, Any]:
    ended = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    return {
        "run_id": "20260304T050607000000-aaaaaa", "site": site, "stream": stream, "command": "ingest", "source": "x",
        "state": "finished", "started_at": ended, "finished_at": ended, "fetched": 3, "expected": 4, "rejected": 1,
        "completeness": completeness, "reason": reason,
    }  # fmt: skip


def varied(folder: Path) -> Lake:
    """A lake with everything in it: nine years, twenty sites, edits, removals, rejections, and hostile text all over."""
    random, first = Random(5), datetime(2016, 2, 3, 4, 5, tzinfo=UTC)
    sites = ["big.example", "middle.example/blog", *(f"small-{n}.example" for n in range(6)), *map(_name, HOSTILE)]
    rows = []
    for number in range(900):
        site = sites[min(int(random.expovariate(0.25)), len(sites) - 1)]
        published = first + timedelta(hours=random.randrange(9 * 365 * 24))
        words = int(random.lognormvariate(5.5, 1.2)) if number % 40 else 0
        rows.append(row(
            number, site=site, title=HOSTILE[number % len(HOSTILE)] if number % 3 == 0 else f"Title {number}",
            url=f"https://example.org/{number}" if number % 5 else "javascript:alert(5)", word_count=words,
            kind=random.choice(("post", "post", "page", "exhibit", "document")),
            language=random.choice(("en", "en-GB", "de", "fr", "x-" + "y" * 30, None)),
            published_at=None if number % 50 == 0 else published,
            modified_at=None if number % 60 == 0 else published + timedelta(minutes=random.choice((0, 5, 900, 9e3, 9e5))),
            terms=[{"taxonomy": "category", "id": str(n), "name": _category(n), "slug": f"s{n}"}
                   for n in {random.randrange(25), random.randrange(5)}],
            links=[{"url": random.choice(DOMAINS), "text": "x", "rel": None, "is_internal": random.random() < 0.2}
                   for _ in range(random.randrange(4))],
            authors=[{"id": str(number % 7), "name": f"Author {number % 7}", "slug": None}],
        ))  # fmt: skip
    lake = lake_of(folder, *rows)
    later = datetime(2026, 1, 5, tzinfo=UTC)
    for turn in range(3):
        edited = [
            {**old, "title": f"{old['title']} {turn}" if at % 2 else old["title"], "source": "rest",
             "content_sha256": f"{at:032x}{turn:032x}", "_state_sha256": f"{turn:032x}{at:032x}",
             "modified_at": later + timedelta(days=turn)}
            for at, old in enumerate(rows[: 60 - turn * 25])
        ]  # fmt: skip
        commit.commit_documents(lake, table(*edited))
    gone = [
        {
            **old,
            "deleted_at": later - timedelta(days=at * 3),
            "valid_from": datetime.now(UTC),
            "_state_sha256": f"{at:064x}",
        }
        for at, old in enumerate(rows[100:140])
    ]
    commit.commit_documents(lake, table(*gone))
    states = ("complete", "complete", "partial", "blocked")
    streams = ("posts", "pages", "media", "authors", "categories", "<b>tags</b>")
    commit.append_rows(lake, "runs", [
        run_row(site, stream, completeness=random.choice(states), reason=random.choice((*HOSTILE, None)))
        for site in sites for stream in streams[: random.randrange(1, 7)]
    ])  # fmt: skip
    rejections = [
        Rejection(site=sites[n % 5], kind="post", id=f"r{n}", reason=f"reason_{min(n % 9, n % 4)}",
                  message=HOSTILE[n % len(HOSTILE)].replace("\x00", ""), source="file")
        for n in range(40)
    ]  # fmt: skip
    commit.append_quarantine(lake, rejections, "run")
    catalog.publish(lake)
    return lake


def _name(text: str) -> str:
    """Return a hostile name that a site may have: no NUL in Parquet text is ours to forbid, but blank ends are."""
    return text.strip()


def _category(number: int) -> str:
    return HOSTILE[number - 5] if 5 <= number < 5 + len(HOSTILE) else f"Category {number}"
