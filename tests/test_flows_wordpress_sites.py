"""Real WordPress sites beyond the plain case: networks, what is removed besides posts, lists that are refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from lakes import ingested, query, stream
from test_flows_wordpress import CLOSED, assert_agree, published

from flows.settings import Settings

CLOSED_LISTS = (
    "add_filter('rest_pre_dispatch', fn($r, $server, $request) => preg_match('#^/wp/v2/(posts|pages)#',"
    " $request->get_route()) ? new WP_Error('rest_login_required', 'Log in.', ['status' => 401]) : $r, 10, 3);"
)
NO_SITEMAP = "add_filter('wp_sitemaps_enabled', '__return_false');"


def ids(settings: Settings, view: str, where: str = "true") -> set[str]:
    return {row["id"] for row in query(settings.lake, f"SELECT id FROM {view} WHERE {where}")}


def test_each_site_of_a_network_is_its_own(wordpress: Any, settings: Settings) -> None:
    wordpress.make_network("harbour")
    wordpress.php(
        "switch_to_blog(2); foreach (range(1, 3) as $n) wp_insert_post(['post_title' => \"Folder $n\","
        " 'post_status' => 'publish', 'post_content' => 'Of the second site.']);"
    )
    both = ingested(settings, wordpress.url + "/harbour/", wordpress.url, kinds=("posts",))
    assert both.exit_code == 0, both.as_json()
    here = {
        (row["site"], row["id"]): row["title"]
        for row in query(settings.lake, "SELECT site, id, title FROM documents WHERE kind = 'post'")
    }
    folder = wordpress.sql("SELECT ID, post_title FROM wp_2_posts WHERE post_type = 'post' AND post_status = 'publish'")
    assert {key: title for key, title in here.items() if key[0] == f"{wordpress.site}/harbour"} == {
        (f"{wordpress.site}/harbour", str(row["ID"])): row["post_title"] for row in folder
    }
    assert {id_ for site, id_ in here if site == wordpress.site} == published(wordpress, "post").keys()


def test_what_is_removed_besides_documents_is_followed(wordpress: Any, settings: Settings) -> None:
    ingested(settings, wordpress.url)
    term = str(
        wordpress.sql("SELECT term_id FROM wp_terms WHERE slug LIKE 'maps%%' OR slug <> '' LIMIT 1 OFFSET 3")[0][
            "term_id"
        ]
    )
    (picture, *_) = sorted(ids(settings, "media"), key=int)
    shown = sorted(ids(settings, "comments"), key=int)
    taxonomy = wordpress.sql("SELECT taxonomy FROM wp_term_taxonomy WHERE term_id = %s", (term,))[0]["taxonomy"]
    wordpress.php(
        f"wp_delete_term({term}, '{taxonomy}'); wp_delete_attachment({picture}, true);"
        f"wp_delete_comment({shown[0]}, true); wp_spam_comment({shown[1]});"
    )
    outcome = ingested(settings, wordpress.url)
    assert outcome.exit_code == 0, [row["reason"] for row in outcome.streams]
    assert term not in ids(settings, "terms", f"taxonomy = '{taxonomy}'")
    assert picture not in ids(settings, "media")
    assert ids(settings, "comments") == set(shown[2:])
    assert (stream(outcome, "media")["deleted"], stream(outcome, "comments")["deleted"]) == (1, 2)
    wordpress.php(f"wp_unspam_comment({shown[1]}); wp_set_comment_status({shown[1]}, 'approve');")
    ingested(settings, wordpress.url, kinds=("comments",))
    assert ids(settings, "comments") == set(shown[1:])


def test_entities_agree_with_the_database(wordpress: Any, settings: Settings) -> None:
    ingested(settings, wordpress.url)
    wordpress.php(
        "wp_update_term(get_terms(['taxonomy' => 'category'])[0]->term_id, 'category', ['name' => 'Renamed']);"
    )
    ingested(settings, wordpress.url)
    there = {
        (row["taxonomy"], str(row["term_id"])): row["slug"]
        for row in wordpress.sql(
            "SELECT t.term_id, t.slug, x.taxonomy FROM wp_terms t JOIN wp_term_taxonomy x USING (term_id)"
            " WHERE x.taxonomy IN ('category', 'post_tag', 'cuisine')"
        )
    }
    here = {(r["taxonomy"], r["id"]): r["slug"] for r in query(settings.lake, "SELECT taxonomy, id, slug FROM terms")}
    assert here == {key: unquote(slug) for key, slug in there.items()}
    assert query(settings.lake, "SELECT count(*) AS n FROM terms WHERE name = 'Renamed'") == [{"n": 1}]
    threads = {
        str(row["comment_ID"]): (
            str(row["comment_post_ID"]),
            str(row["comment_parent"]) if row["comment_parent"] else None,
        )
        for row in wordpress.sql("SELECT comment_ID, comment_post_ID, comment_parent FROM wp_comments")
    }
    rows = query(settings.lake, "SELECT id, document_id, parent FROM comments")
    assert rows and {r["id"]: (r["document_id"], r["parent"]) for r in rows}.items() <= threads.items()


def test_terms_given_and_taken_without_an_edit_are_seen(wordpress: Any, settings: Settings) -> None:
    """WordPress's own functions for terms leave the post's modification time as it is."""
    ingested(settings, wordpress.url)
    given, taken = wordpress.post_id("qx-0010"), wordpress.post_id("qx-0011")
    wordpress.php(
        f"wp_set_post_terms({given}, ['Freshly given'], 'post_tag', true);"
        f"wp_set_post_categories({taken}, [wp_create_category('Moved here')]);"
    )
    outcome = ingested(settings, wordpress.url)
    assert outcome.exit_code == 0 and stream(outcome, "posts")["changed"] == 2
    here = {
        (row["id"], row["taxonomy"], row["name"])
        for row in query(settings.lake, "SELECT id, taxonomy, name FROM document_terms WHERE kind = 'post'")
    }
    there = {
        (str(row["ID"]), row["taxonomy"], row["name"])
        for row in wordpress.sql(
            "SELECT p.ID, x.taxonomy, t.name FROM wp_posts p JOIN wp_term_relationships r ON r.object_id = p.ID"
            " JOIN wp_term_taxonomy x USING (term_taxonomy_id) JOIN wp_terms t USING (term_id)"
            " WHERE p.post_type = 'post' AND p.post_status = 'publish' AND x.taxonomy IN ('category', 'post_tag')"
        )
    }
    assert {row[:2] for row in here} == {row[:2] for row in there}
    assert (str(given), "post_tag", "Freshly given") in here and (str(taken), "category", "Moved here") in here
    quiet = ingested(settings, wordpress.url)
    assert {row["requests"] for row in quiet.streams if row["stream"] in ("posts", "pages")} == {2}


def test_one_removed_and_one_dated_back_at_the_same_time_are_both_seen(wordpress: Any, settings: Settings) -> None:
    ingested(settings, wordpress.url, kinds=("posts",))
    wordpress.php(
        f"wp_delete_post({wordpress.post_id('qx-0007')}, true);"
        "wp_insert_post(['post_title' => 'Dated back', 'post_status' => 'publish', 'post_content' => 'Old news.',"
        " 'post_date' => '2009-05-05 10:00:00']);"
    )
    outcome = ingested(settings, wordpress.url, kinds=("posts",))
    assert (stream(outcome, "posts")["new"], stream(outcome, "posts")["deleted"]) == (1, 1)
    assert ids(settings, "documents", "kind = 'post'") == published(wordpress, "post").keys()


def test_lists_that_are_refused_are_read_through_the_feed(wordpress: Any, settings: Settings) -> None:
    wordpress.add_plugin("closed", CLOSED_LISTS + NO_SITEMAP)
    outcome = ingested(settings, wordpress.url)
    assert outcome.exit_code == 3
    assert stream(outcome, "posts")["completeness"] == "blocked"
    assert "its feed" in stream(outcome, "feed")["reason"]
    assert ids(settings, "documents", "source = 'feed'") == published(wordpress, "post").keys()
    wordpress.add_plugin("closed", "")
    assert ingested(settings, wordpress.url).exit_code == 0
    assert_agree(wordpress, settings.lake)


def test_a_feed_that_has_not_changed_is_not_read_again(wordpress: Any, settings: Settings) -> None:
    wordpress.add_plugin("closed", CLOSED + NO_SITEMAP)
    ingested(settings, wordpress.url)
    # A post dated 2099 holds the feed's ETag still, whatever else changes.
    wordpress.php(f"wp_update_post(['ID' => {wordpress.post_id('qx-0299')}, 'post_title' => 'Edited']);")
    assert stream(ingested(settings, wordpress.url), "posts")["changed"] == 1
    wordpress.php(f"wp_trash_post({wordpress.post_id('date-2099')});")
    ingested(settings, wordpress.url)
    before = wordpress.log().count("feed=rss2")
    idle = stream(ingested(settings, wordpress.url), "posts")
    assert wordpress.log().count("feed=rss2") - before == 1
    assert (idle["fetched"], idle["completeness"]) == (0, "partial")
    wordpress.php(f"wp_update_post(['ID' => {wordpress.post_id('qx-0300')}, 'post_title' => 'Retitled']);")
    assert stream(ingested(settings, wordpress.url), "posts")["changed"] == 1


@pytest.mark.timeout(300)
def test_a_window_is_counted_again_at_its_end(wordpress: Any, settings: Settings) -> None:
    from datetime import UTC, datetime

    outcome = ingested(
        settings,
        wordpress.url,
        kinds=("posts",),
        since=datetime(2012, 1, 1, tzinfo=UTC),
        until=datetime(2026, 1, 1, tzinfo=UTC),
    )
    row = stream(outcome, "posts")
    there = wordpress.sql(
        "SELECT ID FROM wp_posts WHERE post_type = 'post' AND post_status = 'publish'"
        " AND post_date_gmt >= '2012-01-01' AND post_date_gmt < '2026-01-01'"
    )
    assert row["expected"] == row["fetched"] and row["completeness"] == "complete"
    assert {str(r["ID"]) for r in there} <= ids(settings, "documents", "kind = 'post'")
