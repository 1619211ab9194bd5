"""Identity and equality: the same site under any address, the same state under any rendering."""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Row
from schemas.keys import (
    bare_address,
    canonical_site,
    content_sha256,
    document_state,
    entity_state,
    fidelity,
    from_micros,
    micros,
    renews,
    sha256_hex,
    short_digest,
    site_bucket,
    site_host,
    supersedes,
)
from schemas.tables import SITE_BUCKETS, TABLES

HOSTS = st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z][a-z0-9]{0,8}){1,2}", fullmatch=True)
PATHS = st.lists(st.from_regex(r"[a-z0-9-]{1,6}", fullmatch=True), max_size=2).map("/".join)


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://example.com", "example.com"),
        ("HTTPS://Example.COM./", "example.com"),
        ("example.com/Blog/", "example.com/Blog"),
        ("http://example.com:80/", "example.com"),
        ("https://example.com:443/", "example.com"),
        ("https://example.com:80/", "example.com:80"),
        ("http://127.0.0.1:8080/a//b/", "127.0.0.1:8080/a/b"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("https://example.com/?rest_route=/wp/v2/posts", "example.com"),
        ("https://example.com/index.php?rest_route=/", "example.com"),
        ("https://example.com/blog/index.php/wp-json/wp/v2/posts/7", "example.com/blog"),
        ("https://example.com/wp-json", "example.com"),
        ("https://example.com/wp-jsonx", "example.com/wp-jsonx"),
        ("https://bücher.example/", "bücher.example"),
    ],
)
def test_a_site_is_its_host_and_path(url: str, site: str) -> None:
    assert canonical_site(url) == site


@given(HOSTS, PATHS)
def test_every_address_of_one_installation_is_one_site(host: str, path: str) -> None:
    base = f"https://{host}/{path}".rstrip("/")
    site = canonical_site(base)
    tails = (
        "/",
        "/wp-json/",
        "/wp-json/wp/v2/posts/7",
        "/index.php?rest_route=/wp/v2/posts",
        "//",
        "/?p=7#top",
    )
    assert {canonical_site(base + tail) for tail in tails} == {site}
    assert canonical_site(site) == site
    assert site_host(site) == host


@given(st.text(min_size=1, max_size=40))
def test_a_bucket_is_one_of_the_declared_and_always_the_same(site: str) -> None:
    assert site_bucket(site) == site_bucket(site)
    assert site_bucket(site) in {f"{number:02d}" for number in range(SITE_BUCKETS)}


def test_buckets_are_stable_over_releases_and_spread_sites() -> None:
    assert site_bucket("example.com") == "09"
    assert len({site_bucket(f"{number}.example") for number in range(400)}) == SITE_BUCKETS


@given(st.text(max_size=30), st.text(max_size=60), st.sampled_from([" ", "\n\n", "\t", "\u00a0"]))
def test_white_space_and_composition_do_not_change_content(title: str, text: str, space: str) -> None:
    words = text.split()
    spaced = space + (space + " ").join(words) + space
    assert content_sha256(title, spaced) == content_sha256(f" {title}\n", text)
    plain = unicodedata.normalize("NFC", text)
    assert content_sha256(title, unicodedata.normalize("NFD", plain)) == content_sha256(title, plain)


def test_words_case_and_their_place_change_content() -> None:
    hashes = {
        content_sha256(*pair) for pair in [("a", "b"), ("a b", ""), ("", "a b"), ("a", "B"), ("a", "bb"), ("a", "")]
    }
    assert len(hashes) == 6
    assert len(content_sha256("\ud800", "lone")) == 64


def document(**more: Any) -> Row:
    row = {
        "title": "Boats", "url": "https://h.example/x/", "content_sha256": "0" * 64, "status": "publish",
        "modified_at": datetime(2024, 1, 1, tzinfo=UTC), "terms": [{"taxonomy": "category", "id": "1"}],
        "links": [{"url": "https://h.example/a/?_wpnonce=1#top", "text": "a"}],
        "images": [{"url": "https://h.example/a.jpg?w=300", "alt": "A"}], "deleted_at": None,
    }  # fmt: skip
    return row | more


@pytest.mark.parametrize(
    "same",
    [
        {"links": [{"url": "https://h.example/a/?_wpnonce=2", "text": "another"}]},
        {"images": [{"url": "https://h.example/a.jpg?w=900", "alt": "A"}]},
        {
            "_run_id": "r",
            "_ingested_at": datetime(2026, 1, 1, tzinfo=UTC),
            "extra": '{"nonce":1}',
            "source": "wxr",
        },
        {
            "text": "rendered   anew",
            "markdown": "*",
            "word_count": 3,
            "_extractor": "2",
            "_raw_sha256": "f" * 64,
        },
    ],
)
def test_rendering_again_is_no_new_state(same: Row) -> None:
    assert document_state(document(**same)) == document_state(document())


@pytest.mark.parametrize(
    "other",
    [
        {"links": [{"url": "https://h.example/b/", "text": "a"}]},
        {"links": []},
        {"images": [{"url": "https://h.example/b.jpg", "alt": "A"}]},
        {"terms": [{"taxonomy": "category", "id": "2"}]},
        {"terms": [{"taxonomy": "category", "id": "1", "name": "Renamed"}]},
        {"title": "boats"},
        {"url": "https://h.example/y/"},
        {"status": "private"},
        {"content_sha256": "1" * 64},
        {"modified_at": datetime(2024, 1, 2, tzinfo=UTC)},
        {"authors": [{"id": "2"}]},
        {"featured_image": {"id": "2"}},
        {"is_sticky": True},
        {"parent_id": "3"},
        {"deleted_at": datetime(2024, 1, 2, tzinfo=UTC)},
    ],
)
def test_what_an_editor_sets_is_a_new_state(other: Row) -> None:
    assert document_state(document(**other)) != document_state(document())


def test_custom_fields_count_for_the_state_whatever_their_order() -> None:
    assert document_state(document(), {"acf": {"a": 1, "b": 2}}) == document_state(
        document(), {"acf": {"b": 2, "a": 1}}
    )
    assert document_state(document(), {"acf": {"a": 1}}) != document_state(document(), {"acf": {"a": 2}})
    assert len(document_state(document(title="\ud800"))) == 64


def test_an_entitys_state_leaves_out_lineage_and_source_only() -> None:
    row = {"site": "h.example", "id": "1", "name": "Mina", "source": "rest", "_run_id": "a"}
    authors = TABLES["authors"]
    assert entity_state(authors, row) == entity_state(
        authors, row | {"source": "wxr", "_run_id": "b", "site_bucket": "03"}
    )
    assert entity_state(authors, row) != entity_state(authors, row | {"name": "Nina"})


DAY = timedelta(days=1)
T = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "head", "expected"),
    [
        # (source, modified, fetched, state) against (source, modified, known since, state, deleted)
        (("rest", T, T, "a"), ("rest", T, T, "a", False), False),
        (("rest", T + DAY, T + DAY, "a"), ("wxr", T, T, "a", False), False),
        (("rest", T + DAY, T + DAY, "b"), ("rest", T, T, "a", False), True),
        (("rest", T - DAY, T + DAY, "b"), ("rest", T, T, "a", False), True),
        (("rest", T - DAY, T - DAY, "b"), ("rest", T, T, "a", False), False),
        (("rest", T + DAY, T - DAY, "b"), ("rest", T, T, "a", False), True),
        (("rest", T, T + DAY, "a"), ("rest", T, T, "a", True), True),
        (("file", T + DAY, T, "b"), ("rest", T, T, "a", False), True),
        (("file", T, T + DAY, "b"), ("rest", T, T, "a", False), False),
        (("wxr", T, T + DAY, "b"), ("file", T, T, "a", False), False),
        (("file", T, T + DAY, "b"), ("wxr", T, T, "a", False), True),
        (("wxr", T, T + DAY, "b"), ("wxr", T, T, "a", False), True),
        (("file", T - DAY, T + DAY, "b"), ("file", T, T, "a", False), False),
        (("file", None, T + DAY, "b"), ("file", None, T, "a", False), True),
        (("wxr", None, T + DAY, "b"), ("rest", T, T, "a", False), False),
        (("page", None, T + DAY, "b"), ("feed", None, T, "a", False), True),
        (("file", T, T + DAY, "a"), ("rest", T, T, "a", True), False),
        (("file", T + DAY, T + DAY, "b"), ("rest", T, T, "a", True), True),
        (("wxr", None, T + DAY, "b"), ("rest", T, T, "a", True), False),
    ],
)
def test_which_state_stands(row: tuple, head: tuple, expected: bool) -> None:
    source, modified, fetched, state = row
    old_source, old_modified, since, old_state, is_deleted = head
    new = {"source": source, "modified_at": modified, "fetched_at": fetched, "_state_sha256": state}
    old = {
        "source": old_source, "modified_at": old_modified, "valid_from": since, "_state_sha256": old_state,
        "deleted_at": since if is_deleted else None,
    }  # fmt: skip
    assert supersedes(new, old) is expected


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1)).map(lambda d: d.replace(tzinfo=UTC)))
def test_moments_survive_as_microseconds(moment: datetime) -> None:
    assert from_micros(micros(moment)) == moment


def test_a_payloads_hash_is_sha_256() -> None:
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_row_made_again_replaces_only_what_was_made_of_the_same_record() -> None:
    head: Row = {"_raw_sha256": "r", "_state_sha256": "s", "deleted_at": None}
    assert renews({"_raw_sha256": "r", "_state_sha256": "t"}, head)
    assert not renews({"_raw_sha256": "r", "_state_sha256": "s"}, head)
    assert not renews({"_raw_sha256": "q", "_state_sha256": "t"}, head)
    assert not renews({"_raw_sha256": "r", "_state_sha256": "t"}, head | {"deleted_at": datetime.now(UTC)})


def test_sources_rank_by_what_they_can_tell() -> None:
    assert fidelity("rest") > fidelity("file") > fidelity("wxr") > fidelity("feed") == fidelity("sitemap")


def test_spellings_of_an_address_are_one() -> None:
    assert bare_address("HTTPS://Example.com/a%20b/#x#y") == bare_address("http://example.com/A b") == "example.com/a b"
    assert bare_address("example.com/?p=1#a://b") == "example.com/?p=1"
    assert bare_address("http://a.example/?u=http://b.example") == "a.example/?u=http://b.example"


def test_a_short_digest_is_the_same_for_ever() -> None:
    # Marks of it lie in lakes.
    assert short_digest({"b": 1, "a": [None]}) == 0x1BF05C0D625A and short_digest(1) < 1 << 63


def test_two_spaces_in_a_row_read_as_one() -> None:
    assert content_sha256("The  tide", " is\nout") == content_sha256("The tide", "is  out ")
