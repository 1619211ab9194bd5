"""Sites that are set up oddly, change while they are read, or want to know too much."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import breakable_faults as faults
import pytest
from breakable_faults import on, redirected, relisted, status
from breakable_server import START, Asked, BreakableServer, Reply, Site, as_json, refused
from lakes import ingested, query, stream

from flows.settings import Settings
from flows.wordpress.api import WordPress
from flows.wordpress.crawl import Crawler
from flows.wordpress.discovery import discover
from flows.wordpress.pace import crawl_delay_s
from flows.wordpress.retrieval import Client
from flows.wordpress.streams import Stream

pytestmark = pytest.mark.usefixtures("waits")
POSTS = Stream("posts", "post", "documents", "wp/v2/posts", is_dated=True, has_offset=True)
ONLY_POSTS = {"kinds": ("posts",)}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, max_retries=3, read_timeout_s=2.0)


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with Client(replace(settings, allow_private=True), sleep=lambda _: None) as client:
        yield client


def ids(settings: Settings) -> set[int]:
    return {int(row["id"]) for row in query(settings.lake, "SELECT id FROM documents WHERE kind = 'post'")}


# -- a site that changes while it is read ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_walk_loses_nothing_while_posts_come_and_go(breakable: BreakableServer, client: Client, seed: int) -> None:
    dice = random.Random(seed)
    site = breakable.site().fill(posts=120)
    stayed = {value["id"] for value in site.lists["posts"]}

    def changes(asked: Asked, reply: Reply) -> None:
        for _ in range(dice.randrange(4) if asked.route == "wp/v2/posts" else 0):
            there = [value["id"] for value in site.lists["posts"]]
            if dice.random() < 0.7 and len(there) > 5:
                id_ = dice.choice(there)
                site.remove("posts", id_)
                stayed.discard(id_)
            else:
                site.add("posts", max(there) + 1)

    breakable.faults.append(changes)
    crawler = Crawler(WordPress(client, site.api, "x"), per_page=dice.choice((5, 10, 20)))
    seen = [value["id"] for page in crawler.by_id(POSTS) for _, value in page.records]
    assert len(seen) == len(set(seen))
    assert stayed <= set(seen)


def test_a_walk_finds_its_end_when_nearly_everything_goes(breakable: BreakableServer, client: Client) -> None:
    site = breakable.site().fill(posts=60)

    def shrinks(asked: Asked, reply: Reply) -> None:
        if asked.params.get("offset") == "0":
            site.lists["posts"] = site.lists["posts"][-3:]

    breakable.faults.append(shrinks)
    crawler = Crawler(WordPress(client, site.api, "x"), per_page=10)
    seen = {value["id"] for page in crawler.by_id(POSTS) for _, value in page.records}
    assert {58, 59, 60} <= seen
    assert len(breakable.asked) < 20


@pytest.mark.parametrize("seed", range(2))
def test_a_site_that_changed_while_it_was_read_agrees_after_the_next_run(
    breakable: BreakableServer, settings: Settings, seed: int
) -> None:
    dice = random.Random(seed)
    site = breakable.site().fill(posts=60)

    def changes(asked: Asked, reply: Reply) -> None:
        there = [value["id"] for value in site.lists["posts"]]
        if asked.route == "wp/v2/posts" and len(there) > 30:
            site.remove("posts", dice.choice(there), dice.choice(("trash", "delete")))
            site.add("posts", max(there) + 1, at=START + timedelta(days=40, seconds=len(breakable.asked)))

    breakable.faults.append(changes)
    ingested(replace(settings, per_page=10), breakable.url, **ONLY_POSTS)
    breakable.faults.clear()
    outcome = ingested(settings, breakable.url, **ONLY_POSTS)
    assert outcome.exit_code == 0, outcome.as_json()
    assert ids(settings) == {value["id"] for value in site.lists["posts"]}


def test_an_old_wordpress_that_ignores_modified_after_loses_no_edit(
    breakable: BreakableServer, settings: Settings
) -> None:
    site = breakable.site().fill(posts=150)
    faults.ignored(site, "modified_after", "modified_before")
    ingested(settings, breakable.url, **ONLY_POSTS)
    for id_ in (3, 77):
        site.edit("posts", id_, START + timedelta(days=30, minutes=id_), title={"rendered": "Edited"})
    outcome = ingested(settings, breakable.url, **ONLY_POSTS)
    row = stream(outcome, "posts")
    assert (outcome.exit_code, row["changed"], row["new"]) == (0, 2, 0)
    assert "ignores modified_after" in row["reason"]


def test_a_second_run_writes_nothing(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill()
    ingested(settings, breakable.url)
    again = ingested(settings, breakable.url)
    assert again.exit_code == 0
    assert all(row["new"] == row["changed"] == row["deleted"] == 0 for row in again.streams)
    assert stream(again, "posts")["requests"] == 2


# -- deletions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["rest_login_required", "rest_forbidden"])
@pytest.mark.parametrize("after", ["sweep", "first"])
def test_a_site_that_closes_in_mid_run_buries_nothing(
    breakable: BreakableServer, settings: Settings, code: str, after: str
) -> None:
    site = breakable.site().fill(posts=30)
    ingested(settings, breakable.url, **ONLY_POSTS)
    site.remove("posts", 4, "delete")
    hidden = relisted("posts", lambda asked, rows: [row for row in rows if row["id"] != 9])
    is_closed = [False]

    def closes(asked: Asked, reply: Reply) -> Reply | None:
        if asked.route and is_closed[0]:
            return refused(401, code)
        swept = "offset" in asked.params if after == "sweep" else "modified_after" in asked.params
        is_closed[0] = is_closed[0] or swept
        return None

    breakable.faults += [hidden, closes]
    outcome = ingested(settings, breakable.url, **ONLY_POSTS)
    row = stream(outcome, "posts")
    assert outcome.exit_code == 3 and row["deleted"] == 0
    assert row["completeness"] in ("partial", "blocked")
    assert ids(settings) == set(range(1, 31))


@pytest.mark.parametrize("change", [status(500), faults.html(faults.CHALLENGE)])
def test_an_unclear_answer_is_no_deletion(breakable: BreakableServer, settings: Settings, change: Any) -> None:
    site = breakable.site().fill(posts=10)
    ingested(settings, breakable.url, **ONLY_POSTS)
    site.remove("posts", 4)
    breakable.faults.append(on("posts/4", change))
    outcome = ingested(settings, breakable.url, **ONLY_POSTS)
    row = stream(outcome, "posts")
    assert (outcome.exit_code, row["completeness"], row["deleted"], row["missing"]) == (3, "partial", 0, ["4"])
    assert "not confirmed gone: 4" in row["reason"]
    breakable.faults.clear()
    assert stream(ingested(settings, breakable.url, **ONLY_POSTS), "posts")["deleted"] == 1


def test_a_list_that_is_suddenly_empty_buries_nothing_that_is_there(
    breakable: BreakableServer, settings: Settings
) -> None:
    breakable.site().fill(posts=10)
    ingested(settings, breakable.url, **ONLY_POSTS)
    breakable.faults.append(on("posts", lambda reply: as_json([], X_WP_Total="0", X_WP_TotalPages="0")))
    assert stream(ingested(settings, breakable.url, **ONLY_POSTS), "posts")["deleted"] == 0
    assert len(ids(settings)) == 10


# -- credentials -------------------------------------------------------------------------------------------------------


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PRESSLAKE_USER", "clerk")
    monkeypatch.setenv("PRESSLAKE_APP_PASSWORD", "s3cr3t-w0rd")
    return "s3cr3t-w0rd"


def logged_in(asked: Asked, reply: Reply) -> Reply | None:
    is_me = asked.route == "wp/v2/users/me" and "Authorization" in asked.headers
    return as_json({"id": 1, "slug": "clerk", "roles": ["editor"]}) if is_me else None


@pytest.mark.parametrize("how", ["redirect", "advertised elsewhere"])
def test_credentials_go_to_no_other_host(
    breakable: BreakableServer, settings: Settings, secret: str, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    caplog.set_level(logging.DEBUG)
    site = breakable.site().fill(posts=3)
    with BreakableServer() as other:
        other.site().fill(posts=3)
        breakable.faults.append(logged_in)
        if how == "redirect":
            breakable.faults.append(on("posts", redirected(f"{other.url}/wp-json/wp/v2/posts")))
        else:
            site.url = other.url
        outcome = ingested(replace(settings, allow_private=True), breakable.url)
        assert other.asked and breakable.asked
        assert not any("Authorization" in asked.headers for asked in other.asked)
    if how == "redirect":
        assert any("Authorization" in asked.headers for asked in breakable.asked)
    said = caplog.text + str(outcome.as_json()) + "".join(map(str, outcome.failures))
    encoded = "Y2xlcms6czNjcjN0"
    assert secret not in said and encoded not in said
    stored = b"".join(path.read_bytes() for path in Path(settings.lake).rglob("*") if path.is_file())
    assert secret.encode() not in stored and encoded.encode() not in stored


def test_passwords_kept_for_other_programs_are_not_sent(
    breakable: BreakableServer, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\nmachine localhost login me password m\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    breakable.site()
    breakable.faults.append(on("", redirected(f"http://localhost:{breakable.port}/home/"), times=1))
    client.get(breakable.url + "/wp-json/")
    assert [asked.host.split(":")[0] for asked in breakable.asked] == ["127.0.0.1", "localhost"]
    assert not any("Authorization" in asked.headers for asked in breakable.asked)


def test_a_login_that_is_not_seen_stops_before_anything_is_read(
    breakable: BreakableServer, settings: Settings, secret: str
) -> None:
    breakable.site().fill()
    outcome = ingested(settings, breakable.url)
    ((_, error),) = outcome.failures
    assert outcome.exit_code == 1
    assert "did not accept the login" in str(error) and secret not in str(error)


def test_a_redirect_without_end_is_named(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill()
    breakable.faults.append(on("posts", redirected("/wp-json/wp/v2/posts")))
    row = stream(ingested(settings, breakable.url, **ONLY_POSTS), "posts")
    assert row["completeness"] == "blocked" and "redirects without end" in row["reason"]


# -- where a site is ---------------------------------------------------------------------------------------------------


def test_a_wordpress_older_than_its_api_says_so(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site(index={"namespaces": ["oembed/1.0"]}).fill()
    outcome = ingested(settings, breakable.url)
    ((_, error),) = outcome.failures
    assert outcome.exit_code == 1 and "before 4.7" in str(error)


@pytest.mark.parametrize(("permalinks", "advertises"), [("plain", True), ("pretty", False), ("plain", False)])
def test_a_site_in_a_folder_is_its_own_site(
    breakable: BreakableServer, settings: Settings, permalinks: str, advertises: bool
) -> None:
    options = {"permalinks": permalinks, "advertises": advertises}
    breakable.site(**options).fill(posts=2)
    breakable.site("/blog", **options).fill(posts=5)
    ingested(settings, breakable.url, breakable.url + "/blog/post-3/", **ONLY_POSTS)
    host = f"127.0.0.1:{breakable.port}"
    counted = query(settings.lake, "SELECT site, count(*) AS n FROM documents GROUP BY site ORDER BY site")
    assert counted == [{"site": host, "n": 2}, {"site": f"{host}/blog", "n": 5}]


def test_what_an_index_says_of_its_home_does_not_change_the_site(
    breakable: BreakableServer, settings: Settings
) -> None:
    lying = {"home": "https://elsewhere.example/shop", "url": "https://elsewhere.example"}
    breakable.site(index=lying).fill(posts=2)
    ingested(settings, breakable.url, **ONLY_POSTS)
    assert query(settings.lake, "SELECT DISTINCT site FROM documents") == [{"site": f"127.0.0.1:{breakable.port}"}]


def test_a_broken_home_page_does_not_hide_the_api(breakable: BreakableServer, client: Client) -> None:
    breakable.site().fill()
    breakable.faults.append(lambda asked, reply: status(500)(reply) if asked.route is None else None)
    assert discover(client, breakable.url).found_by == "usual place"
    breakable.faults.append(lambda asked, reply: status(503)(reply))
    with pytest.raises(Exception, match="HTTP 503"):
        discover(client, breakable.url)


@pytest.mark.parametrize(("delay", "expected"), [("3", 3.0), ("0.4", 1.0), ("inf", 0.0), ("soon", 0.0)])
def test_a_crawl_delay_is_kept(
    breakable: BreakableServer, settings: Settings, waits: list[float], delay: str, expected: float
) -> None:
    assert crawl_delay_s(f"User-agent: *\nCrawl-delay: {delay}", "presslake/0.1") == expected
    if delay == "3":
        breakable.site().fill(posts=2)
        robots = Reply(200, b"User-agent: *\nCrawl-delay: 3\n", {"Content-Type": "text/plain"})
        breakable.faults.append(lambda asked, reply: robots if asked.path == "/robots.txt" else None)
        ingested(settings, breakable.url, **ONLY_POSTS)
        later = len(breakable.asked) - 1 - [asked.path for asked in breakable.asked].index("/robots.txt")
        # The clock stands still for waits that are only written down, so each is about three seconds further ahead.
        assert len(waits) >= later - 1 and sum(2.0 < b - a <= 3.0 for a, b in zip(waits, waits[1:], strict=False)) > 1


def test_sites_are_made_as_wordpress_makes_them(breakable: BreakableServer, client: Client) -> None:
    site: Site = breakable.site().fill(posts=25)
    api = WordPress(client, site.api, "x")
    second = api.list("wp/v2/posts", {"page": 3})
    assert (second.total, second.pages, len(second.records)) == (25, 3, 5)
    past = api.list("wp/v2/posts", {"offset": 25, "per_page": 5})
    assert (past.records, past.total) == ([], 0)
    at = "2024-01-01T07:00:00"
    assert api.list("wp/v2/posts", {"modified_after": f"{at}Z", "modified_before": "2024-01-01T09:00:00Z"}).ids == [2]
    assert api.list("wp/v2/posts", {"modified_before": at, "per_page": 1}).total == 6


def test_credentials_do_not_leave_by_an_unencrypted_address() -> None:
    with Client(Settings(), ("me", "secret"), "https://example.org/blog") as client:
        assert client._auth("https://example.org/wp-json/") == ("me", "secret")
        for other in ("http://example.org/wp-json/", "https://example.net/", "https://example.org:8443/"):
            assert client._auth(other) is None, other
