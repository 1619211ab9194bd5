"""Sites that lie in numbers, shapes and expressions: bounded in requests and time, named, and nothing else lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import breakable_faults as faults
import pytest
from breakable_faults import on, relisted
from breakable_server import BreakableServer, Fault, Reply, Site, as_json
from lakes import ingested, query, stream

from flows.extraction.blocks import _VERSE_END
from flows.readers.feeds import is_feed
from flows.readers.payload import decode, lines, slices
from flows.readers.wxr import parse_header
from flows.settings import Settings
from flows.wordpress.discovery import _ATTRIBUTE, _LINK_HEADER, _LINK_TAG
from flows.wordpress.doctor import _GENERATOR
from flows.wordpress.fallback import _ARCHIVE, identity
from schemas.errors import RecordError

pytestmark = pytest.mark.usefixtures("waits")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, read_timeout_s=2.0)


def posts(settings: Settings) -> set[int]:
    return {int(row["id"]) for row in query(settings.lake, "SELECT id FROM documents WHERE kind = 'post'")}


@pytest.mark.parametrize("total", ["-5", "x", "9" * 12, str(2**62), "9" * 30, "9" * 5000])
def test_totals_that_lie_end_the_walk(breakable: BreakableServer, settings: Settings, total: str) -> None:
    breakable.site().fill(posts=12)
    breakable.faults.append(on("posts", faults.headers(lambda h: {**h, "X-WP-Total": total, "X-WP-TotalPages": total})))
    outcome = ingested(settings, breakable.url, kinds=("posts", "pages"))
    assert len(breakable.asked) < 200
    assert posts(settings) == set(range(1, 13))
    assert stream(outcome, "pages")["completeness"] == "complete"
    if total == "9" * 12:
        assert "showed none in 50 pages" in stream(outcome, "posts")["reason"]


def test_paging_without_end_stops_at_the_budget(breakable: BreakableServer, settings: Settings) -> None:
    site = breakable.site().fill(posts=3)

    def endless(asked: Any, reply: Reply) -> Reply | None:
        if asked.route != "wp/v2/posts":
            return None
        start = int(asked.params.get("offset", 0))
        rows = [{**site.lists["posts"][0], "id": start + n + 1, "link": f"{site.url}/{start + n}/"} for n in range(20)]
        return as_json(rows, X_WP_Total=str(start + 1000))

    breakable.faults.append(endless)
    outcome = ingested(replace(settings, max_requests=40), breakable.url, kinds=("posts",))
    assert len(breakable.asked) <= 40
    row = stream(outcome, "posts")
    assert row["completeness"] == "partial" and "budget of 40 requests" in row["reason"] and row["new"] > 100
    assert Settings().max_requests > 0  # nobody has to ask for a bound


ODD: dict[str, dict[str, Any]] = {
    "id of 64 bit": {"id": 2**63}, "id of 30 digits": {"id": 10**30}, "id of 5000 digits": {"id": "9" * 5000},
    "id that is a fraction": {"id": 1e300}, "no id": {"id": None}, "id that is a list": {"id": [3]},
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_one_entry_without_an_id_costs_only_itself(breakable: BreakableServer, settings: Settings, name: str) -> None:
    breakable.site().fill(posts=12)
    breakable.faults.append(
        relisted("posts", lambda asked, rows: [{**r, **ODD[name]} if r["id"] == 3 else r for r in rows])
    )
    row = stream(ingested(settings, breakable.url, kinds=("posts",)), "posts")
    assert posts(settings) == set(range(1, 13)) - {3}
    assert (row["completeness"], row["rejected"]) == ("partial", 1) and "wrong_shape 1" in row["reason"]


WHOLE: dict[str, dict[str, Any]] = {
    "link that is a number": {"link": 5}, "link that is none": {"link": "http://[::1"}, "long number": {"meta": 10**400},
    "author of 70 bit": {"author": 2**70}, "image of 40 digits": {"featured_media": 10**40},
    "slug that climbs": {"slug": "../../../etc/passwd"}, "control characters": {"title": {"rendered": "a\x00\x1b[31m"}},
    "half a pair": {"title": {"rendered": "\ud800x"}}, "terms of all kinds": {"categories": [2**80, "x", None, {}]},
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_odd_fields_lose_no_record(breakable: BreakableServer, settings: Settings, name: str) -> None:
    breakable.site().fill(posts=12)
    breakable.faults.append(
        relisted("posts", lambda asked, rows: [{**r, **WHOLE[name]} if r["id"] == 3 else r for r in rows])
    )
    ingested(settings, breakable.url, kinds=("posts",))
    assert posts(settings) == set(range(1, 13))


def changed(change: Callable[[bytes], bytes]) -> Fault:
    return on("posts", lambda reply: replace(reply, body=change(reply.body)))


def test_numbers_of_thousands_of_digits_are_kept_as_they_stand(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=5)
    breakable.faults.append(changed(lambda body: body.replace(b'"meta": []', b'"meta": ' + b"9" * 5000)))
    assert ingested(settings, breakable.url, kinds=("posts",)).exit_code == 0
    assert posts(settings) == set(range(1, 6))
    assert decode(b'{"n": ' + b"9" * 5000 + b"}") and slices(b"[" + b"9" * 5000 + b"]").records


@pytest.mark.parametrize(("post", "of"), [(1, 12), (7, 12), (12, 12), (1, 1)])
def test_a_record_nested_without_end_costs_only_itself(
    breakable: BreakableServer, settings: Settings, post: int, of: int
) -> None:
    breakable.site().fill(posts=of)
    deep = b'"slug": "post-%d", "nested": ' % post + b"[" * 50_000 + b'{"a": "]"}' + b"]" * 50_000
    breakable.faults.append(changed(lambda body: body.replace(b'"slug": "post-%d"' % post, deep)))
    outcome = ingested(settings, breakable.url, kinds=("posts",))
    assert posts(settings) == set(range(1, of + 1)) - {post}
    (rejected,) = query(settings.lake, "SELECT id, reason, octet_length(payload) AS size FROM quarantine")
    assert (rejected["id"], rejected["reason"]) == (str(post), "nested_too_deep") and rejected["size"] > 100_000
    assert stream(outcome, "posts")["completeness"] == "partial"
    assert len(breakable.routes("/posts")) <= 8, [asked.params for asked in breakable.routes("/posts")]


def test_types_that_lead_elsewhere_stay_below_the_api(breakable: BreakableServer, settings: Settings) -> None:
    site: Site = breakable.site().fill(posts=3)
    odd = {
        "a": {"rest_base": "../../x"}, "b": {"rest_base": 5}, "\x1b[31m": {"rest_base": "z\n|x"},
        "c": {"rest_base": "posts", "rest_namespace": "http://127.0.0.1:1/x"},
    }  # fmt: skip
    breakable.faults.append(on("types", lambda reply: as_json({**odd, "post": {"rest_base": "posts"}})))
    ingested(settings, breakable.url)
    assert posts(settings) == {value["id"] for value in site.lists["posts"]}


def test_a_line_without_end_is_not_held() -> None:
    pulled = [0]

    def endless() -> Any:
        yield b'{"id": 1}\n'
        while True:
            pulled[0] += 1
            yield b"a" * 1000

    found = lines(endless(), 100_000)
    assert next(found) == b'{"id": 1}'
    with pytest.raises(RecordError, match="larger than"):
        next(found)
    assert pulled[0] < 200


SLOW: dict[str, Callable[[], object]] = {
    "spaces before a feed": lambda: is_feed(b" " * 65536),
    "instructions before a feed": lambda: is_feed(b"<?" + b"?><?" * 16000),
    "comments before a feed": lambda: is_feed(b"<!-- -->" * 8000),
    "roots of an export": lambda: parse_header(b"<rss" * 50_000),
    "tags of links": lambda: _LINK_TAG.findall("<link" * 200_000),
    "attributes": lambda: _ATTRIBUTE.findall("<link " + "a" * 200_000),
    "header of links": lambda: _LINK_HEADER.search("<" * 65536),
    "generators": lambda: _GENERATOR.search(b"<meta " * 200_000),
    "pages of bodies": lambda: identity(b"<body " * 33_000, "http://a.example/"),
    "pages of short links": lambda: identity(b"<link " + b'rel="shortlink" ' * 12_500, "http://a.example/"),
    "pages of classes": lambda: identity(b"<body " + b'class="a ' * 22_000, "http://a.example/"),
    "archives": lambda: _ARCHIVE.search(b"<body " + b"class='archiv " * 14_000),
    "verses": lambda: _VERSE_END.sub("", "a" + " " * 64_000 + "b"),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SLOW)
def test_no_expression_goes_over_the_same_text_again_and_again(name: str) -> None:
    began = time.process_time()
    SLOW[name]()
    # Each of these took minutes or hours where it was quadratic.
    assert time.process_time() - began < 15
