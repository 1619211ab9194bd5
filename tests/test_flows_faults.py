"""WordPress sites that fail: everything that can be had comes in once, and the ledger says what could not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import breakable_faults as faults
import pytest
from breakable_faults import Change, at_most, on, poison, relisted, status
from breakable_server import START, Asked, BreakableServer, Fault, Reply, Value
from lakes import ingested, query, stream

from flows.settings import Settings
from flows.wordpress.discovery import discover
from flows.wordpress.retrieval import Client

pytestmark = pytest.mark.usefixtures("waits")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, max_retries=3, read_timeout_s=2.0)


def ids(settings: Settings, kind: str = "post", view: str = "documents") -> list[int]:
    rows = query(settings.lake, f"SELECT id FROM {view} WHERE kind = ? ORDER BY CAST(id AS INT)", [kind])
    return [int(row["id"]) for row in rows]


def whole(settings: Settings, site: Any) -> None:
    """Assert that the lake has every post and page of the site, each exactly once and in one version."""
    for base, kind in (("posts", "post"), ("pages", "page")):
        there = [value["id"] for value in site.lists[base]]
        assert ids(settings, kind) == there
        assert ids(settings, kind, "document_versions") == there


# -- answers that pass: nothing is lost and nothing to complain about ------------------------------------------------

SOON = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
PASSING: dict[str, Change] = {
    "429 with seconds": status(429, Retry_After="7"),
    "429 with a date": status(429, Retry_After=SOON),
    "429 without": status(429),
    "500": status(500),
    "502": status(502),
    "503": status(503, Retry_After="2"),
    "520 of a proxy": status(520),
    "reset": faults.reset,
    "fewer bytes than promised": faults.cut_short,
    "JSON that breaks off": faults.cut_json,
    "empty answer": lambda reply: replace(reply, body=b""),
    "fatal error page with 200": faults.html(faults.FATAL),
    "gzip in name only": faults.headers(lambda headers: {**headers, "Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_tried_again(breakable: BreakableServer, settings: Settings, name: str) -> None:
    breakable.site().fill()
    breakable.faults += [on("posts", PASSING[name], times=2), on("", PASSING[name], times=2)]
    with Client(replace(settings, allow_private=True), sleep=lambda _: None) as client:
        api = discover(client, breakable.url)
        assert api.list("wp/v2/posts", {"per_page": 100, "orderby": "id", "order": "asc"}).ids == list(range(1, 31))
        assert api.found_by == "Link header"
    assert len(breakable.routes("posts")) == 3


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    breakable: BreakableServer, settings: Settings
) -> None:
    site = breakable.site().fill(posts=5)
    breakable.faults.append(on("posts", faults.delayed(1.0), times=1))
    outcome = ingested(replace(settings, read_timeout_s=0.4), breakable.url, kinds=("posts", "pages"))
    assert outcome.exit_code == 0
    whole(settings, site)


@pytest.mark.parametrize("asked", ["7", "date", "0"])
def test_retry_after_is_kept(breakable: BreakableServer, settings: Settings, waits: list[float], asked: str) -> None:
    breakable.site().fill(posts=5)
    header = format_datetime(datetime.now(UTC) + timedelta(seconds=8), usegmt=True) if asked == "date" else asked
    breakable.faults.append(on("posts", status(429, Retry_After=header), times=1))
    ingested(settings, breakable.url, kinds=("posts",))
    assert {"7": 6.9, "date": 5.0, "0": 0.0}[asked] <= waits[0] <= {"7": 7.0, "date": 8.0, "0": 0.0}[asked]


def test_what_goes_on_failing_is_partial_and_finished_by_the_next_run(
    breakable: BreakableServer, settings: Settings
) -> None:
    site = breakable.site().fill(posts=30)
    late = on("posts", status(429), when=lambda asked: int(asked.params.get("offset", 0)) > 10)
    breakable.faults.append(late)
    settings = replace(settings, per_page=5)
    outcome = ingested(settings, breakable.url)
    row = stream(outcome, "posts")
    assert (outcome.exit_code, row["completeness"]) == (3, "partial")
    assert "HTTP 429" in row["reason"]
    assert ids(settings) == list(range(1, row["new"] + 1)) and row["new"] >= 11  # what was read is kept
    assert stream(outcome, "pages")["completeness"] == "complete"
    breakable.faults.clear()
    asked = len(breakable.asked)
    again = ingested(settings, breakable.url)
    assert again.exit_code == 0
    assert min(int(a.params["offset"]) for a in breakable.asked[asked:] if "offset" in a.params and
               a.route == "wp/v2/posts" and "_fields" not in a.params and "modified_after" not in a.params) >= 10  # fmt: skip
    whole(settings, site)


@pytest.mark.parametrize("seed", range(2))
def test_a_server_failing_a_third_of_requests_in_seven_ways_still_ends_complete(
    breakable: BreakableServer, settings: Settings, seed: int
) -> None:
    site = breakable.site().fill(posts=130, pages=5)
    breakable.faults.append(faults.seven_ways(0.3, seed))
    outcome = ingested(replace(settings, max_retries=7), breakable.url)
    assert outcome.exit_code == 0, outcome.as_json()
    assert sum(row["rejected"] for row in outcome.streams) == 0
    whole(settings, site)


# -- odd answers that hold everything ----------------------------------------------------------------------------------

ODD: dict[str, Change] = {
    "byte-order mark": faults.wrapped(b"\xef\xbb\xbf"),
    "two byte-order marks": faults.wrapped(b"\xef\xbb\xbf\xef\xbb\xbf\n"),
    "notice before and comment after": faults.wrapped(faults.NOTICE, faults.TRAILER),
    "no totals": faults.headers(lambda h: {k: v for k, v in h.items() if not k.startswith("X-WP")}),
    "lower-case headers": faults.headers(lambda h: {k.lower(): v for k, v in h.items()}),
    "Windows-1252": faults.in_cp1252,
    "gzip": faults.gzipped,
    "type text/html": faults.headers(lambda h: {**h, "Content-Type": "text/html"}),
    "total too low": faults.headers(lambda h: {**h, "X-WP-Total": "3", "X-WP-TotalPages": "1"}),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_answers_are_understood(breakable: BreakableServer, settings: Settings, name: str) -> None:
    site = breakable.site().fill(posts=30)
    breakable.faults.append(on("", ODD[name]))
    outcome = ingested(replace(settings, per_page=10), breakable.url, kinds=("posts",))
    assert outcome.exit_code == 0, outcome.as_json()
    assert ids(settings) == [value["id"] for value in site.lists["posts"]]
    (row,) = query(settings.lake, "SELECT text, published_at FROM documents WHERE kind = 'post' AND id = '7'")
    assert row["text"] == "Körper of post 7, about ferries and tides."
    assert row["published_at"] == START + timedelta(hours=7)
    reason = stream(outcome, "posts")["reason"] or ""
    assert ("polluted" in reason) == (name in ("two byte-order marks", "notice before and comment after"))


def test_an_empty_list_inside_notices_is_no_failure(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=3, pages=0)
    breakable.faults.append(on("", faults.wrapped(faults.NOTICE, faults.TRAILER)))
    outcome = ingested(settings, breakable.url)
    assert outcome.exit_code == 0, outcome.as_json()
    assert stream(outcome, "pages")["fetched"] == 0


# -- answers that refuse or are something else -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (faults.html(faults.CHALLENGE), "a browser challenge"),
        (faults.html(faults.HOME), "text/html instead of a list"),
        (faults.html(faults.CHALLENGE, 403), "HTTP 403"),
        (faults.closed(), "rest_login_required"),
        (faults.closed(403, "rest_cannot_access"), "rest_cannot_access"),
        (lambda reply: replace(reply, body=b'{"code": "odd", "message": "No.", "more": [{"id": 1}]}'), "odd: No"),
        (lambda reply: replace(reply, body=b'{"id": 3, "title": "wrong"}'), "instead of a list"),
        (lambda reply: replace(reply, body=b'[{"name": "no id"}, {"id": "x"}]'), "no WordPress object"),
    ],
)
def test_a_list_that_is_refused_ends_only_itself(
    breakable: BreakableServer, settings: Settings, change: Change, said: str
) -> None:
    breakable.site().fill()
    breakable.faults.append(on("posts", change))
    outcome = ingested(settings, breakable.url, kinds=("posts", "pages"))
    row = stream(outcome, "posts")
    assert (outcome.exit_code, row["completeness"], row["fetched"]) == (3, "blocked", 0)
    assert said in row["reason"] and "\n" not in row["reason"]
    assert ids(settings) == [] and len(ids(settings, "page")) == 3
    # What does not pass is not asked for again.
    assert len(breakable.routes("/posts")) == 1


@pytest.mark.parametrize("route", ["users", "media"])
def test_a_hidden_side_stream_costs_only_itself(breakable: BreakableServer, settings: Settings, route: str) -> None:
    site = breakable.site().fill()
    breakable.faults.append(on(route, faults.closed(403 if route == "media" else 401)))
    outcome = ingested(settings, breakable.url)
    assert outcome.exit_code == 3
    blocked = [row["stream"] for row in outcome.streams if row["completeness"] != "complete"]
    assert blocked == [{"users": "authors"}.get(route, route)]
    whole(settings, site)
    rows = query(settings.lake, "SELECT authors[1].id AS id, authors[1].name AS name FROM documents")
    assert all(row["id"] for row in rows)
    assert all((row["name"] is None) == (route == "users") for row in rows)


def test_posts_and_pages_come_when_types_are_hidden(breakable: BreakableServer, settings: Settings) -> None:
    site = breakable.site().fill()
    breakable.faults += [on("types", faults.closed()), on("taxonomies", faults.closed(404, "rest_no_route"))]
    outcome = ingested(settings, breakable.url)
    assert "types" in stream(outcome, "posts")["reason"]
    whole(settings, site)
    assert all(row["name"] for row in query(settings.lake, "SELECT name FROM document_terms"))


# -- weak servers and single records -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "change"), [(1, status(504)), (7, status(500)), (7, faults.cut_json), (25, faults.html(faults.FATAL))]
)
def test_a_weak_server_is_asked_for_less(
    breakable: BreakableServer, settings: Settings, most: int, change: Change
) -> None:
    site = breakable.site().fill(posts=12 if most == 1 else 60)
    breakable.faults.append(at_most("", most, change))
    outcome = ingested(settings, breakable.url)
    assert outcome.exit_code == 0, outcome.as_json()
    assert sum(row["rejected"] for row in outcome.streams) == 0
    whole(settings, site)


def test_a_site_that_allows_fewer_records_is_asked_for_fewer(breakable: BreakableServer, settings: Settings) -> None:
    site = breakable.site().fill(posts=60)
    refusal = faults.refused(400, "rest_invalid_param", "Invalid parameter(s): per_page")
    breakable.faults.append(at_most("", 20, lambda reply: refusal))
    assert ingested(settings, breakable.url).exit_code == 0
    whole(settings, site)


@pytest.mark.parametrize(("id_", "only_whole"), [(1, False), (17, True), (60, False)])
def test_one_record_that_breaks_the_server_is_put_aside(
    breakable: BreakableServer, settings: Settings, id_: int, only_whole: bool
) -> None:
    site = breakable.site().fill(posts=60)
    breakable.faults.append(poison("posts", id_, only_whole=only_whole))
    for _ in range(2):
        outcome = ingested(settings, breakable.url, kinds=("posts", "pages"))
        row = stream(outcome, "posts")
        assert outcome.exit_code == 3 and row["completeness"] == "partial"
        assert "server_error" in row["reason"]
        assert ids(settings) == [value["id"] for value in site.lists["posts"] if value["id"] != id_]
        (put_aside,) = query(settings.lake, "SELECT * FROM quarantine WHERE run_id = ? ORDER BY id", [outcome.run_id])
        assert put_aside["id"] in ((str(id_),) if only_whole else (str(id_), f"offset-{id_ - 1}"))
        assert (put_aside["kind"], put_aside["reason"]) == ("post", "server_error")
        assert row["fetched"] == row["new"] + row["changed"] + row["unchanged"] + row["rejected"]
    assert stream(outcome, "pages")["completeness"] == "complete"
    breakable.faults.clear()
    assert ingested(settings, breakable.url, kinds=("posts",)).exit_code == 0
    whole(settings, site)


@pytest.mark.parametrize(
    ("route", "change"), [("posts", faults.reset), ("posts", faults.cut_json), ("categories", status(502))]
)
def test_a_record_that_breaks_the_connection_is_put_aside_too(
    breakable: BreakableServer, settings: Settings, change: Change, route: str
) -> None:
    site = breakable.site().fill(posts=12)
    breakable.faults.append(poison(route, 2, only_whole=True, change=change))
    outcome = ingested(settings, breakable.url, kinds=(route,))
    row = stream(outcome, route)
    assert (outcome.exit_code, row["completeness"], row["rejected"]) == (3, "partial", 1)
    assert row["new"] == len(site.lists[route]) - 1


def test_an_edited_record_that_breaks_the_server_hides_no_other_edit(
    breakable: BreakableServer, settings: Settings
) -> None:
    site = breakable.site().fill(posts=40)
    ingested(settings, breakable.url, kinds=("posts",))
    for id_ in (5, 6, 7):
        site.edit("posts", id_, START + timedelta(days=60, minutes=id_), title={"rendered": "Edited"})
    breakable.faults.append(poison("posts", 6, only_whole=True))
    outcome = ingested(settings, breakable.url, kinds=("posts",))
    row = stream(outcome, "posts")
    assert (outcome.exit_code, row["changed"], row["rejected"], row["deleted"]) == (3, 2, 1, 0)
    breakable.faults.clear()
    ingested(settings, breakable.url, kinds=("posts",))
    edited = query(settings.lake, "SELECT id FROM documents WHERE title = 'Edited' ORDER BY id")
    assert [row["id"] for row in edited] == ["5", "6", "7"]


def test_a_server_that_fails_on_everything_is_not_a_list_of_bad_records(
    breakable: BreakableServer, settings: Settings
) -> None:
    breakable.site().fill(posts=30)
    breakable.faults.append(on("posts", status(500), when=lambda asked: int(asked.params.get("offset", 0)) >= 9))
    breakable.faults.append(lambda asked, reply: status(500)(reply) if is_broken[0] and asked.route else None)
    is_broken = [False]

    def breaks(asked: Asked, reply: Reply) -> None:
        is_broken[0] = is_broken[0] or int(asked.params.get("offset", 0)) >= 9

    breakable.faults.insert(0, breaks)
    outcome = ingested(replace(settings, per_page=10), breakable.url)
    assert outcome.exit_code == 3
    assert stream(outcome, "posts")["rejected"] == 0
    assert len(ids(settings)) == 10


# -- lists that lie ----------------------------------------------------------------------------------------------------


def hides(*hidden: int) -> Callable[[Asked, list[Value]], list[Value]]:
    return lambda asked, rows: [row for row in rows if row["id"] not in hidden]


def test_a_short_page_is_not_the_last(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=60)
    hidden = {9, 10, 11, *range(22, 47), 60}
    breakable.faults.append(relisted("posts", hides(*hidden)))
    outcome = ingested(replace(settings, per_page=10), breakable.url)
    assert outcome.exit_code == 0
    assert ids(settings) == [id_ for id_ in range(1, 61) if id_ not in hidden]
    assert f"counts {len(hidden)} more than it shows" in stream(outcome, "posts")["reason"]


LIES: dict[str, tuple[Fault, ...]] = {
    "total too high": (on("posts", faults.headers(lambda h: {**h, "X-WP-Total": "75"})),),
    "records repeated": (relisted("posts", lambda asked, rows: rows + rows[:2]),),
    "offset ignored": (),
    "order ignored": (relisted("posts", lambda asked, rows: rows[::-1] if "offset" in asked.params else rows),),
}


@pytest.mark.parametrize("name", LIES)
def test_lists_that_lie_lose_nothing(breakable: BreakableServer, settings: Settings, name: str) -> None:
    site = breakable.site().fill(posts=60)
    breakable.faults.extend(LIES[name])
    if name == "offset ignored":
        faults.ignored(site, "offset")
    for _ in range(2):
        outcome = ingested(replace(settings, per_page=10), breakable.url, kinds=("posts", "pages"))
        assert outcome.exit_code == 0, outcome.as_json()
        whole(settings, site)


def test_a_site_that_gives_fewer_than_asked_for_is_read_to_its_end(
    breakable: BreakableServer, settings: Settings
) -> None:
    site = breakable.site().fill(posts=60)
    faults.understood(site, lambda params: {**params, "per_page": str(min(7, int(params.get("per_page", 10))))})
    for _ in range(2):
        assert ingested(settings, breakable.url).exit_code == 0
        whole(settings, site)


def test_dates_that_are_none_do_no_harm(breakable: BreakableServer, settings: Settings) -> None:
    site = breakable.site().fill(posts=8)
    zero, odd = "0000-00-00T00:00:00", "-0001-11-30T00:00:00"
    site.find("posts", 2).update(date_gmt=None, modified_gmt=None)
    site.find("posts", 3).update(date_gmt=zero, date=zero, modified_gmt=zero, modified=zero)
    site.find("posts", 4).update(date_gmt=odd, date=odd, modified_gmt=odd, modified=odd)
    for _ in range(2):
        assert ingested(settings, breakable.url).exit_code == 0
        whole(settings, site)
    quality = query(settings.lake, "SELECT date_quality FROM documents WHERE kind = 'post' ORDER BY CAST(id AS INT)")
    assert [row["date_quality"] for row in quality[:4]] == ["ok", "local_time", "missing", "missing"]
    assert json.loads(json.dumps([row["date_quality"] for row in quality[4:]])) == ["ok"] * 4
