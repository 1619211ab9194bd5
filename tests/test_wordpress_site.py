"""The test WordPress itself: that it answers like the real thing, resets, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from wordpress_site import SEED_HOST, WordPress, WordPressUnavailable

pytestmark = pytest.mark.timeout(300)


def started(permalinks: str = "pretty", version: str = "stable") -> WordPress:
    try:
        return WordPress.start(permalinks, version)  # type: ignore[arg-type]
    except WordPressUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def running() -> Iterator[WordPress]:
    with started() as wordpress:
        yield wordpress


@pytest.fixture
def site(running: WordPress) -> Iterator[WordPress]:
    yield running
    running.reset()


def rest(site: WordPress, route: str, **params: object) -> requests.Response:
    query = {"rest_route": route, **{name: str(value) for name, value in params.items()}}
    return requests.get(site.url + "/", params=query, timeout=60)


def test_seed_has_the_documented_shape(site: WordPress) -> None:
    totals = {
        name: int(rest(site, f"/{namespace}/{name}", per_page=1).headers["X-WP-Total"])
        for namespace, names in {
            "wp/v2": [
                "posts",
                "pages",
                "media",
                "categories",
                "tags",
                "users",
                "recipes",
                "cuisines",
                "comments",
            ],
            "wpx/v1": ["event"],
        }.items()
        for name in names
    }
    assert totals == {
        "posts": 363, "pages": 8, "media": 14, "categories": 17, "tags": 13, "users": 4, "recipes": 16,
        "cuisines": 5, "comments": 46, "event": 3,
    }  # fmt: skip
    assert rest(site, "/wp/v2/memo").status_code == 404
    statuses = site.sql("SELECT post_status s, COUNT(*) n FROM wp_posts WHERE post_type = 'post' GROUP BY 1")
    assert {row["s"]: row["n"] for row in statuses} == {
        "publish": 363, "draft": 1, "pending": 1, "private": 1, "future": 2, "trash": 1,
    }  # fmt: skip
    assert site.sql("SELECT COUNT(*) n FROM wp_comments") == [{"n": 51}]
    modified = Counter(str(row["m"]) for row in site.sql("SELECT post_modified m FROM wp_posts"))
    assert modified["2024-03-15 09:30:00"] == 130
    assert modified["2024-05-01 00:00:00"] == 20


def test_every_stored_url_names_this_instance(site: WordPress) -> None:
    columns = site.sql(
        "SELECT table_name AS t, column_name AS c FROM information_schema.columns"
        " WHERE table_schema = 'wordpress' AND data_type IN ('varchar', 'text', 'mediumtext', 'longtext')"
    )
    left = [
        (row["t"], row["c"])
        for row in columns
        if site.sql(f"SELECT 1 FROM `{row['t']}` WHERE `{row['c']}` LIKE %s LIMIT 1", (f"%{SEED_HOST}%",))
    ]
    assert not left
    links = [post["link"] for post in rest(site, "/wp/v2/posts", per_page=100).json()]
    assert all(link.startswith(site.url + "/") for link in links)
    assert requests.get(links[5], timeout=60).status_code == 200


def test_rest_answers_like_wordpress(site: WordPress) -> None:
    root = requests.get(site.url + "/wp-json/", timeout=60).json()
    assert (root["name"], root["timezone_string"]) == ("Wpx &amp; Test &lt;Site&gt;", "America/Chicago")
    assert rest(site, "/wp/v2/posts", page=99).json()["code"] == "rest_post_invalid_page_number"
    assert rest(site, "/wp/v2/posts", status="draft").status_code == 400
    titles = rest(site, "/wp/v2/posts", include=site.post_id("script-in-title")).json()
    assert titles[0]["title"]["rendered"] == "Code samples: <script> in a title"
    picture = rest(site, "/wp/v2/media", media_type="image").json()[0]
    assert "medium" in picture["media_details"]["sizes"]
    answer = requests.get(picture["source_url"], timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, picture["mime_type"])
    assert "[200]: GET /wp-json/" in site.log()


def test_ties_lose_posts_when_paging_by_modified(site: WordPress) -> None:
    # The database's unstable sort is what makes a real one worth having.
    seen = set()
    for page in range(1, 38):
        answer = rest(site, "/wp/v2/posts", orderby="modified", order="asc", page=page, _fields="id")
        seen |= {post["id"] for post in answer.json()}
    assert len(seen) < 363


def test_application_password(site: WordPress) -> None:
    me = site.url + "/wp-json/wp/v2/users/me?context=edit"
    assert requests.get(me, timeout=60).status_code == 401
    answer = requests.get(me, auth=("femke", site.app_password("femke")), timeout=60)
    assert (answer.status_code, answer.json()["roles"]) == (200, ["editor"])


def test_export_holds_what_rest_hides(site: WordPress) -> None:
    export = site.export_wxr()
    assert export.startswith(b"<?xml") and export.rstrip().endswith(b"</rss>")
    assert b"<wp:status><![CDATA[pending]]></wp:status>" in export
    assert b"Waiting for review" in export
    assert b"\x07" in export


def test_cron_publishes_the_due_post(site: WordPress) -> None:
    due = site.post_id("scheduled-due")
    assert rest(site, f"/wp/v2/posts/{due}").status_code == 401
    site.run_cron()
    assert rest(site, f"/wp/v2/posts/{due}").json()["modified"] == "2019-02-07T08:00:00"


def test_edits_plugins_and_reset(site: WordPress) -> None:
    site.php("wp_trash_post(1); wp_update_post(['ID' => 25, 'post_title' => 'Edited']);")
    site.add_plugin(
        "closed",
        "add_filter('rest_authentication_errors', fn () => new WP_Error('shut', '', ['status' => 401]));",
    )
    assert rest(site, "/wp/v2/posts").status_code == 401
    url = site.url
    site.reset()
    assert site.url == url
    assert rest(site, "/wp/v2/posts/1").status_code == 200
    assert rest(site, "/wp/v2/posts").headers["X-WP-Total"] == "363"
    with pytest.raises(RuntimeError, match="undefined function"):
        site.php("no_such_function();")


def test_many_posts(site: WordPress) -> None:
    ids = site.add_posts(3000, start="2025-01-01 00:00:00", step_s=60)
    answer = rest(site, "/wp/v2/posts", per_page=100, orderby="id", order="desc")
    assert answer.headers["X-WP-Total"] == "3363"
    assert [post["id"] for post in answer.json()] == ids[:-101:-1]
    assert answer.json()[0]["date"] == "2025-01-03T01:59:00"


def test_plain_permalinks_and_a_newer_wordpress() -> None:
    with started("plain", "newer") as site:
        assert int(site.version.split(".")[0]) > 6 or int(site.version.split(".")[1]) > 1
        answer = rest(site, "/wp/v2/posts")
        assert "index.php?rest_route=" in answer.headers["Link"]
        # Plain permalinks answer the pretty address with a page, not with an error.
        assert "text/html" in requests.get(site.url + "/wp-json/", timeout=60).headers["Content-Type"]


def test_a_killed_owner_leaves_no_process_and_no_files(running: WordPress) -> None:
    code = (
        "import sys, time; from wordpress_site import WordPress; site = WordPress.start();"
        "print(site._work, *(p.pid for p in site._processes.running), flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent, text=True) as owner:
        assert owner.stdout is not None
        work, *pids = owner.stdout.readline().split()
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(work).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(work).exists()
    assert not any(_alive(int(pid)) for pid in pids)


def _alive(pid: int) -> bool:
    try:
        # A killed orphan may stay a zombie where init does not reap.
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_without_packages_and_rights_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import wordpress_packages

    monkeypatch.setattr(wordpress_packages, "which", lambda name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(WordPressUnavailable, match="php-cli"):
        WordPress.start()
