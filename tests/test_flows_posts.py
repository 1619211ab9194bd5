"""REST posts as rows: what WordPress answers, and what plug-ins and old versions make of it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.readers.restobjects import shape_of, site_of
from flows.rows.posts import post_row
from schemas.errors import RecordError
from schemas.records import RawRecord
from schemas.rules import validate
from schemas.tables import TABLES

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def post(**more: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "type": "post",
        "status": "publish",
        "link": "https://h.example/boats/",
        "slug": "boats",
        "date": "2024-07-01T12:00:00",
        "date_gmt": "2024-07-01T10:00:00",
        "modified": "2024-07-02T12:00:00",
        "modified_gmt": "2024-07-02T10:00:00",
        "title": {"rendered": "Boats"},
        "author": 3,
        "featured_media": 0,
        "content": {"rendered": "<p>Nine boats.</p>", "protected": False},
        "excerpt": {"rendered": ""},
        **more,
    }


def row(value: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Return the row, and see that the lake would take it."""
    payload = json.dumps(value).encode()
    record = RawRecord("h.example", "post", "7", payload, "rest", NOW, context=context)
    made = post_row(record, value)[0]
    table, _, errors = validate(TABLES["documents"], [{**made, "_run_id": "r"}])
    assert not errors
    assert table.num_rows == 1
    return made


def editorial(value: dict[str, Any]) -> Any:
    return post_row(RawRecord("h.example", "post", "7", b"{}", "rest", NOW), value)[1]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ({"rendered": "Tea &#038; Toast &#8211; caf&eacute;"}, "Tea & Toast – café"),
        ({"rendered": "The <em>Marigold</em>"}, "The Marigold"),
        ({"rendered": ""}, ""),
        ("Plain", "Plain"),
        ({"raw": "Only raw"}, "Only raw"),
        (None, ""),
    ],
)
def test_titles_are_text(title: object, expected: str) -> None:
    assert row(post(title=title))["title"] == expected


def test_the_plain_columns_are_mapped() -> None:
    made = row(post(slug="caf%c3%a9", sticky=True, comment_status="open", parent=4, menu_order=2))
    assert (
        made["slug"],
        made["is_sticky"],
        made["comment_status"],
        made["parent_id"],
        made["menu_order"],
    ) == (
        "café",
        True,
        "open",
        "4",
        2,
    )
    assert (made["url"], made["status"], made["text"], made["word_count"]) == (
        "https://h.example/boats/",
        "publish",
        "Nine boats.",
        2,
    )
    assert row(post(parent=0))["parent_id"] is None


def test_gmt_dates_are_utc() -> None:
    made = row(post())
    assert made["published_at"] == datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert made["modified_at"] == datetime(2024, 7, 2, 10, tzinfo=UTC)
    assert made["date_quality"] == "ok"


@pytest.mark.parametrize(
    ("zone", "gmt", "published", "quality"),
    [
        (("Europe/Berlin", 2), None, datetime(2024, 7, 1, 10, tzinfo=UTC), "local_time"),
        (("", -5.5), "0000-00-00T00:00:00", datetime(2024, 7, 1, 17, 30, tzinfo=UTC), "local_time"),
        (("No/Where", None), None, None, "missing"),
        (None, None, None, "missing"),
        (None, "yesterday", None, "missing"),
        (None, "1500-01-01T00:00:00", datetime(1500, 1, 1, tzinfo=UTC), "implausible"),
        (None, "2031-01-01T00:00:00", datetime(2031, 1, 1, tzinfo=UTC), "implausible"),
    ],
)
def test_dates_say_how_good_they_are(zone: Any, gmt: Any, published: Any, quality: str) -> None:
    made = row(post(date_gmt=gmt), zone=zone)
    assert (made["published_at"], made["date_quality"]) == (published, quality)


def test_a_date_that_is_none_is_implausible_and_a_scheduled_one_is_not() -> None:
    assert row(post(date_gmt="soon", date="later"))["date_quality"] == "implausible"
    assert row(post(date_gmt="2031-01-01T00:00:00", status="future"))["date_quality"] == "ok"
    assert row(post(date_gmt=None, date=None))["date_quality"] == "missing"


CLASSES = [
    "post-7",
    "category-a",
    "category-b-2",
    "category-caf%c3%a9",
    "category-d",
    "category-e",
    "category-9",
    "tag-fog",
]


@pytest.mark.parametrize("classes", [CLASSES, dict(enumerate(CLASSES))])
def test_six_categories_get_their_slugs_from_the_classes(classes: object) -> None:
    made = row(post(categories=[1, 2, 3, 4, 5, 9], tags=[12], class_list=classes))
    assert [(t["taxonomy"], t["id"], t["slug"]) for t in made["terms"]] == [
        ("category", "1", "a"),
        ("category", "2", "b-2"),
        ("category", "3", "café"),
        ("category", "4", "d"),
        ("category", "5", "e"),
        ("category", "9", None),
        ("post_tag", "12", "fog"),
    ]


def test_classes_that_do_not_match_the_terms_tell_nothing() -> None:
    made = row(post(categories=[1, 2], tags=[], class_list=["category-a"]))
    assert [(t["id"], t["slug"], t["name"]) for t in made["terms"]] == [("1", None, None), ("2", None, None)]
    assert [t["slug"] for t in row(post(categories=[1]))["terms"]] == [None]


def test_embedded_terms_give_names_and_slugs() -> None:
    terms = [
        [{"id": 1, "taxonomy": "category", "name": "Boats &amp; Tides", "slug": "boats"}],
        [],
        [{"code": "rest_x"}],
        None,
    ]
    made = row(post(categories=[1, 2], tags=[], _embedded={"wp:term": terms}))
    assert [(t["id"], t["name"], t["slug"]) for t in made["terms"]] == [
        ("1", "Boats & Tides", "boats"),
        ("2", None, None),
    ]


@pytest.mark.parametrize(
    "href",
    [
        "https://h.example/wp-json/wp/v2/cuisines?post=7",
        "https://h.example/index.php?rest_route=%2Fwp%2Fv2%2Fcuisines&post=7",
    ],
)
def test_custom_taxonomies_are_known_by_the_posts_own_links(href: str) -> None:
    made = row(post(cuisines=[4], _links={"wp:term": [{"taxonomy": "cuisine", "href": href}]}))
    assert [(t["taxonomy"], t["id"]) for t in made["terms"]] == [("cuisine", "4")]
    assert "cuisines" not in json.loads(made["extra"])


def test_custom_taxonomies_are_known_from_the_site() -> None:
    assert [t["taxonomy"] for t in row(post(eras=[4]), taxonomies={"eras": "era"})["terms"]] == ["era"]
    assert row(post(eras=[4]))["terms"] == []
    assert json.loads(row(post(eras=[4]))["extra"])["eras"] == [4]


def test_an_author_is_an_id_and_what_is_embedded() -> None:
    person = {"id": 3, "name": "Mina O&#8217;Dálaigh", "slug": "mina"}
    assert row(post(_embedded={"author": [person]}))["authors"] == [
        {"id": "3", "name": "Mina O’Dálaigh", "slug": "mina"}
    ]
    assert row(post())["authors"] == [{"id": "3", "name": None, "slug": None}]
    assert row(post(author=0))["authors"] == []


def test_an_embedded_error_is_no_author() -> None:
    error = {"code": "rest_user_invalid_id", "message": "Invalid user ID.", "data": {"status": 404}}
    assert row(post(_embedded={"author": [error]}))["authors"] == [{"id": "3", "name": None, "slug": None}]


def test_a_featured_image_is_an_id_and_what_is_embedded() -> None:
    media = {
        "id": 9,
        "source_url": "https://h.example/bow.jpg",
        "alt_text": "A bow",
        "media_type": "image",
        "caption": {"rendered": "<p>The <b>bow</b></p>"},
        "media_details": {"width": 800, "height": "600"},
    }
    assert row(post(featured_media=9, _embedded={"wp:featuredmedia": [media]}))["featured_image"] == {
        "id": "9",
        "url": "https://h.example/bow.jpg",
        "alt": "A bow",
        "caption": "The bow",
        "width": 800,
        "height": 600,
    }
    assert row(post(featured_media=9))["featured_image"]["id"] == "9"
    assert row(post())["featured_image"] is None


@pytest.mark.parametrize(
    "embed",
    [
        {
            "name": "A site",
            "description": "",
            "url": "https://h.example",
            "namespaces": [],
            "routes": {"/": {}},
        },
        {"code": "rest_forbidden", "message": "Sorry", "data": {"status": 401}},
        None,
    ],
)
def test_a_dangling_featured_image_keeps_its_id_alone(embed: object) -> None:
    image = row(post(featured_media=9, _embedded={"wp:featuredmedia": [embed]}))["featured_image"]
    assert image == {"id": "9", "url": None, "alt": None, "caption": None, "width": None, "height": None}


def test_an_image_address_from_a_plug_in_is_used() -> None:
    image = row(post(jetpack_featured_media_url="https://i.example/x.jpg"))["featured_image"]
    assert (image["id"], image["url"]) == (None, "https://i.example/x.jpg")
    assert row(post(jetpack_featured_media_url=""))["featured_image"] is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"meta": []}, {}),
        ({"meta": {}}, {}),
        ({"acf": False}, {}),
        ({"acf": []}, {}),
        ({"acf": None}, {}),
        ({"meta": {"footnotes": ""}}, {"meta": {"footnotes": ""}}),
        ({"acf": {"price": 3}, "meta": []}, {"acf": {"price": 3}}),
    ],
)
def test_custom_fields_in_every_shape_are_kept(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert json.loads(row(post(**fields))["extra"]) == fields
    assert editorial(post(**fields)) == expected


def test_extra_holds_every_field_without_a_column() -> None:
    more = {
        "guid": {"rendered": "x"},
        "class_list": [],
        "_links": {},
        "yoast_head_json": {"a": ["é"]},
        "ping_status": "open",
    }
    assert json.loads(row(post(**more))["extra"]) == more
    assert row(post())["extra"] is None


def test_content_may_be_text_or_missing_but_no_number() -> None:
    assert row(post(content="<p>Bare</p>"))["text"] == "Bare"
    assert row(post(content=None))["text"] == ""
    with pytest.raises(RecordError, match="content is int") as caught:
        row(post(content=5))
    assert caught.value.reason == "wrong_shape"


def test_a_protected_post_keeps_its_title() -> None:
    made = row(post(content={"rendered": "", "protected": True}))
    assert (made["title"], made["text"], made["is_protected"]) == ("Boats", "", True)


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ({"lang": "pt_BR"}, "pt-BR"),
        ({"wpml_current_locale": "de_DE"}, "de-DE"),
        ({"lang": "<b>"}, None),
        ({"lang": 5}, None),
    ],
)
def test_a_declared_language_stands(fields: dict[str, Any], language: str | None) -> None:
    assert row(post(content="", title="", **fields))["language"] == language


def self_link(href: str) -> dict[str, Any]:
    return {"_links": {"self": [{"href": href}]}, "link": "https://elsewhere.example/x/"}


@pytest.mark.parametrize(
    ("value", "site"),
    [
        (self_link("https://H.example/wp-json/wp/v2/posts/7"), "h.example"),
        (self_link("https://h.example/blog/wp-json/wp/v2/posts/7"), "h.example/blog"),
        (self_link("https://h.example/blog/index.php/wp-json/wp/v2/posts/7"), "h.example/blog"),
        (self_link("http://h.example:8080/index.php?rest_route=/wp/v2/posts/7"), "h.example:8080"),
        (self_link("http://h.example/?rest_route=/wp/v2/posts/7"), "h.example"),
        ({"_links": {"collection": [{"href": "https://h.example/wp-json/wp/v2/posts"}]}}, "h.example"),
        (
            {"guid": {"rendered": "https://h.example/blog/?p=7"}, "link": "https://h.example/blog/x/"},
            "h.example/blog",
        ),
        ({"guid": {"rendered": "https://h.example/blog/?page_id=7"}}, "h.example/blog"),
        ({"guid": {"rendered": "urn:x"}, "link": "https://h.example/2024/07/x/"}, "h.example"),
        ({"_links": {"self": [{}]}, "link": "https://h.example/x/"}, "h.example"),
        ({"_links": [], "link": None}, None),
        ({"link": "/x/"}, None),
    ],
)
def test_a_saved_post_knows_its_site(value: dict[str, Any], site: str | None) -> None:
    assert site_of(value) == site


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (post(), "post"),
        (
            {"id": 1, "source_url": "u", "media_type": "image", "title": {}, "content": {}, "link": "l"},
            "media",
        ),
        ({"id": 1, "taxonomy": "category", "name": "n", "slug": "s", "parent": 0}, "term"),
        (
            {
                "id": 1,
                "post": 7,
                "author_name": "n",
                "content": {},
                "date": "d",
                "link": "l",
                "type": "comment",
            },
            "comment",
        ),
        ({"id": 1, "name": "n", "slug": "s", "avatar_urls": {}}, "author"),
        ({"id": 1, "name": "n"}, None),
        ({"code": "rest_no_route", "message": "m"}, None),
        ([post()], None),
        ("post", None),
    ],
)
def test_objects_are_known_by_their_shape(value: object, shape: str | None) -> None:
    assert shape_of(value) == shape
