"""Ingesting a real WordPress: what its database holds is what the lake holds, also after edits and removals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from lakes import ingested, query, stream

from flows.settings import Settings
from flows.wordpress.discovery import discover
from flows.wordpress.retrieval import Client

KINDS = ("post", "page", "recipe", "event")


def published(site: Any, kind: str) -> dict[str, dict[str, Any]]:
    """Return what the database says is public, by id."""
    rows = site.sql(
        "SELECT ID, post_title, post_name, post_modified_gmt, post_date_gmt FROM wp_posts"
        " WHERE post_type = %s AND post_status = 'publish'",
        (kind,),
    )
    return {str(row["ID"]): row for row in rows}


def assert_agree(site: Any, lake: str) -> None:
    """Compare database and lake row by row, over every public kind."""
    for kind in KINDS:
        there = published(site, kind)
        here = {row["id"]: row for row in query(lake, "SELECT * FROM documents WHERE kind = ?", [kind])}
        assert here.keys() == there.keys(), kind
        for id_, row in there.items():
            stated = row["post_modified_gmt"]
            if isinstance(stated, datetime):
                assert here[id_]["modified_at"] == stated.replace(tzinfo=UTC), (kind, id_)
            if isinstance(row["post_date_gmt"], datetime):
                assert here[id_]["published_at"] == row["post_date_gmt"].replace(tzinfo=UTC), (kind, id_)


def test_everything_public_comes_in_once(wordpress: Any, settings: Settings) -> None:
    outcome = ingested(settings, wordpress.url)
    assert outcome.exit_code == 0, (outcome.failures, outcome.streams)
    assert_agree(wordpress, settings.lake)
    versions = query(settings.lake, "SELECT count(*) AS n, max(document_version) AS v FROM document_versions")
    assert versions == [{"n": len(query(settings.lake, "SELECT id FROM documents")), "v": 1}]
    assert {row["site"] for row in query(settings.lake, "SELECT DISTINCT site FROM documents")} == {wordpress.site}


def test_names_of_authors_terms_and_images_are_resolved(wordpress: Any, settings: Settings) -> None:
    ingested(settings, wordpress.url)
    wanted = wordpress.sql(
        "SELECT p.ID, u.display_name FROM wp_posts p JOIN wp_users u ON u.ID = p.post_author"
        " WHERE p.post_type = 'post' AND p.post_status = 'publish'"
    )
    named = {
        row["id"]: row["name"]
        for row in query(settings.lake, "SELECT id, name FROM document_authors WHERE kind = 'post'")
    }
    assert {str(row["ID"]): row["display_name"].replace("&amp;", "&") for row in wanted}.items() <= named.items()
    terms = wordpress.sql(
        "SELECT count(*) AS n FROM wp_term_relationships r JOIN wp_term_taxonomy x USING (term_taxonomy_id)"
        " JOIN wp_posts p ON p.ID = r.object_id WHERE p.post_status = 'publish' AND p.post_type IN"
        " ('post', 'recipe') AND x.taxonomy IN ('category', 'post_tag', 'cuisine')"
    )
    rows = query(settings.lake, "SELECT name, slug FROM document_terms")
    assert len(rows) == terms[0]["n"]
    assert all(row["name"] and row["slug"] for row in rows)
    images = query(
        settings.lake,
        "SELECT featured_image.url AS url, featured_image.alt AS alt FROM documents WHERE kind = 'recipe'",
    )
    assert sum(bool(row["url"]) for row in images) >= 10


def test_only_chosen_streams_still_get_names(wordpress: Any, settings: Settings) -> None:
    outcome = ingested(settings, wordpress.url, kinds=("recipes",))
    assert stream(outcome, "recipes")["new"] == 16
    assert all(row["name"] for row in query(settings.lake, "SELECT name FROM document_terms"))
    assert query(settings.lake, "SELECT DISTINCT kind FROM documents") == [{"kind": "recipe"}]


def test_a_second_run_costs_two_requests_a_stream_and_writes_nothing(wordpress: Any, settings: Settings) -> None:
    ingested(settings, wordpress.url, kinds=("posts", "pages"))
    again = ingested(settings, wordpress.url, kinds=("posts", "pages"))
    for name in ("posts", "pages"):
        row = stream(again, name)
        assert (row["new"], row["changed"], row["requests"]) == (0, 0, 2)
        assert row["completeness"] == "complete"
    assert query(settings.lake, "SELECT max(document_version) AS v FROM document_versions") == [{"v": 1}]


def test_a_stream_of_nothing_costs_two_requests_and_is_seen_to_fill(wordpress: Any, settings: Settings) -> None:
    wordpress.php(
        "foreach (get_posts(['post_type' => 'page', 'numberposts' => -1]) as $p) wp_delete_post($p->ID, true);"
    )
    for _ in range(2):
        row = stream(ingested(settings, wordpress.url, kinds=("pages",)), "pages")
        assert (row["fetched"], row["requests"], row["completeness"]) == (0, 2, "complete")
    wordpress.php("wp_insert_post(['post_title' => 'First', 'post_status' => 'publish', 'post_type' => 'page']);")
    assert stream(ingested(settings, wordpress.url, kinds=("pages",)), "pages")["new"] == 1


def test_edits_schedules_removals_and_returns_are_followed(wordpress: Any, settings: Settings) -> None:
    ingested(settings, wordpress.url)
    ids = {n: wordpress.post_id(f"qx-000{n}") for n in range(1, 6)}
    wordpress.php(
        f"wp_trash_post({ids[1]}); wp_delete_post({ids[2]}, true);"
        f"wp_update_post(['ID' => {ids[3]}, 'post_title' => 'Tea & <em>toast</em>']);"
        f"wp_update_post(['ID' => {ids[4]}, 'post_status' => 'private']);"
        "wp_insert_post(['post_title' => 'Dated back', 'post_status' => 'publish', 'post_content' => 'Old news.',"
        " 'post_date' => '2009-05-05 10:00:00']);"
    )
    wordpress.run_cron()
    outcome = ingested(settings, wordpress.url)
    row = stream(outcome, "posts")
    assert (row["new"], row["changed"], row["deleted"]) == (2, 1, 3)
    assert outcome.exit_code == 0, row["reason"]
    assert_agree(wordpress, settings.lake)
    changes = {r["id"]: r for r in query(settings.lake, "SELECT * FROM document_changes")}
    assert (
        changes[str(ids[1])]["change"] == changes[str(ids[2])]["change"] == changes[str(ids[4])]["change"] == "deleted"
    )
    assert changes[str(ids[3])]["title_after"] == "Tea & toast"
    # What is deleted keeps its last text; only its state says so.
    (gone,) = query(
        settings.lake, "SELECT text, deleted_at FROM documents_all WHERE kind = 'post' AND id = ?", [str(ids[2])]
    )
    assert gone["text"] and gone["deleted_at"]

    wordpress.php(f"wp_untrash_post({ids[1]}); wp_publish_post({ids[1]});")
    back = ingested(settings, wordpress.url, kinds=("posts",))
    assert stream(back, "posts")["changed"] == 1
    assert_agree(wordpress, settings.lake)
    (change,) = query(
        settings.lake, "SELECT change FROM document_changes WHERE id = ? AND document_version = 3", [str(ids[1])]
    )
    assert change["change"] == "restored"


def test_hundreds_of_edits_in_one_second_all_come(wordpress: Any, settings: Settings) -> None:
    ingested(settings, wordpress.url, kinds=("posts",))
    wordpress.sql(
        "UPDATE wp_posts SET post_content = CONCAT(post_content, ' Revised.'), post_modified = '2026-10-10 05:00:00',"
        " post_modified_gmt = '2026-10-10 10:00:00' WHERE post_type = 'post' AND post_status = 'publish'"
        " AND post_password = '' AND post_name LIKE 'qx-%%'"
    )
    outcome = ingested(settings, wordpress.url, kinds=("posts",))
    assert stream(outcome, "posts")["changed"] == 300
    assert query(settings.lake, "SELECT count(*) AS n FROM documents WHERE contains(text, 'Revised.')") == [{"n": 300}]


def test_plain_permalinks_give_the_same_documents(plain_wordpress: Any, settings: Settings) -> None:
    outcome = ingested(settings, plain_wordpress.url)
    assert outcome.exit_code == 0, (outcome.failures, outcome.streams)
    assert_agree(plain_wordpress, settings.lake)


def test_a_newer_wordpress_agrees_too(newer_wordpress: Any, settings: Settings) -> None:
    outcome = ingested(settings, newer_wordpress.url)
    assert outcome.exit_code == 0, (outcome.failures, outcome.streams)
    assert_agree(newer_wordpress, settings.lake)


def test_any_address_of_the_site_finds_its_api(wordpress: Any, plain_wordpress: Any) -> None:
    addresses = ["", "/", "/wp-json/", "/wp-json/wp/v2/posts", "/qx-0001/", "/?rest_route=/", "/no-such-page/"]
    for site in (wordpress, plain_wordpress):
        for address in addresses:
            with Client(Settings(allow_private=True)) as client:
                api = discover(client, site.url + address)
                assert api.site == site.site, address
                assert api.list("wp/v2/posts", {"per_page": 1}).total == 363, address


def test_an_export_and_the_live_site_merge_under_one_key(wordpress: Any, settings: Settings, tmp_path: Any) -> None:
    ingested(settings, wordpress.url)
    (tmp_path / "export.xml").write_bytes(wordpress.export_wxr())
    outcome = ingested(settings, str(tmp_path / "export.xml"))
    row = stream(outcome, "files")
    # The live API tells every post as well or better, so nothing it holds is replaced.
    assert row["changed"] == 0 and row["rejected"] == 0
    before = {kind: len(published(wordpress, kind)) for kind in KINDS}
    counted = query(settings.lake, "SELECT kind, count(*) AS n FROM documents GROUP BY kind")
    assert {r["kind"]: r["n"] for r in counted if r["kind"] in KINDS} == before


def test_a_window_takes_what_was_published_in_it(wordpress: Any, settings: Settings) -> None:
    stated = {id_: row["post_date_gmt"] for id_, row in published(wordpress, "post").items()}
    moments = sorted(moment for moment in stated.values() if isinstance(moment, datetime))
    since, until = moments[100], moments[200]
    ingested(
        settings, wordpress.url, kinds=("posts",), since=since.replace(tzinfo=UTC), until=until.replace(tzinfo=UTC)
    )
    rows = query(settings.lake, "SELECT id FROM documents")
    wanted = {id_ for id_, moment in stated.items() if isinstance(moment, datetime) and since <= moment < until}
    undated = {id_ for id_, moment in stated.items() if not isinstance(moment, datetime)}
    assert {row["id"] for row in rows} - undated == wanted
    assert len(wanted) >= 90


CLOSED = (
    "add_filter('rest_authentication_errors', fn() => new WP_Error('rest_disabled', 'Closed.', ['status' => 401]));"
)
CHALLENGE = (
    "add_filter('rest_pre_serve_request', function () { header('Content-Type: text/html');"
    " echo '<html>Just a moment</html>'; return true; });"
)


def test_a_closed_api_with_nothing_else_is_named_with_the_remedy(wordpress: Any, settings: Settings) -> None:
    no_pages = (
        "add_filter('wp_sitemaps_enabled', '__return_false'); add_action('do_feed_rss2', fn() => wp_die('no'), 1);"
    )
    for code in (CLOSED, CHALLENGE):
        wordpress.add_plugin("closed", code + no_pages)
        outcome = ingested(settings, wordpress.url)
        ((_, error),) = outcome.failures
        assert outcome.exit_code == 1
        assert "closed" in str(error) and "PRESSLAKE_APP_PASSWORD" in str(error)
        assert "\n" not in str(error)


def test_a_closed_api_is_read_through_the_feed_and_merges_when_it_opens(wordpress: Any, settings: Settings) -> None:
    wordpress.add_plugin("closed", CLOSED + "add_filter('wp_sitemaps_enabled', '__return_false');")
    outcome = ingested(settings, wordpress.url)
    assert outcome.exit_code == 3
    row = stream(outcome, "posts")
    assert row["completeness"] == "partial" and "feed" in row["reason"] and "rest_disabled" in row["reason"]
    assert query(settings.lake, "SELECT DISTINCT source FROM documents") == [{"source": "feed"}]
    ids = {r["id"] for r in query(settings.lake, "SELECT id FROM documents")}
    assert ids == published(wordpress, "post").keys()
    wordpress.add_plugin("closed", "")
    opened = ingested(settings, wordpress.url)
    assert stream(opened, "posts")["new"] == 0
    assert_agree(wordpress, settings.lake)
    assert query(settings.lake, "SELECT DISTINCT source FROM documents") == [{"source": "rest"}]


@pytest.mark.timeout(300)
def test_a_closed_api_is_read_through_its_sitemap_s_pages(wordpress: Any, settings: Settings) -> None:
    wordpress.php(
        "global $wpdb; $keep = get_posts(['numberposts' => 12, 'fields' => 'ids']);"
        '$wpdb->query(\'UPDATE wp_posts SET post_status = "draft" WHERE post_type = "post" AND ID NOT IN (\''
        " . implode(',', $keep) . ')');"
    )
    wordpress.add_plugin("closed", CLOSED)
    outcome = ingested(settings, wordpress.url)
    assert outcome.exit_code == 3
    rows = query(settings.lake, "SELECT * FROM documents WHERE kind = 'post'")
    assert {r["id"] for r in rows} == published(wordpress, "post").keys()
    assert {r["source"] for r in rows} == {"sitemap"}
    # One of them is dated 2099, which is no date of a page.
    assert sum(r["published_at"] is not None for r in rows) >= len(rows) - 1 > 5


@pytest.mark.timeout(300)
def test_what_only_the_sitemap_lists_comes_in_as_pages(wordpress: Any, settings: Settings) -> None:
    # The seed's permalinks of custom types need their rewrite rules; then a type hidden from REST has pages.
    wordpress.php("flush_rewrite_rules(false);")
    outcome = ingested(settings, wordpress.url)
    row = stream(outcome, "sitemap")
    assert row["expected"] > 380
    hidden = published(wordpress, "memo")
    assert len(hidden) == row["new"] > 0, row
    memos = query(settings.lake, "SELECT id, source, title FROM documents WHERE kind = 'memo'")
    assert {r["id"] for r in memos} == hidden.keys()
    assert {r["source"] for r in memos} == {"sitemap"}
    again = ingested(settings, wordpress.url, full=True)
    assert stream(again, "sitemap")["fetched"] == 0
