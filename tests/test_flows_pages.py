"""Whole pages: the article and nothing around it, and what the page says about itself."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml.etree import tostring
from lxml.html import document_fromstring
from recorded import BASE_URL, Case, cases
from trafilatura.metadata import extract_metadata

from flows.extraction.fragments import Extracted
from flows.extraction.letters import letters
from flows.extraction.page_alignment import chosen_content
from flows.extraction.page_blocks import read_page
from flows.extraction.page_choice import Kind, choose
from flows.extraction.page_guesses import Guesses
from flows.extraction.page_metadata import parse_date
from flows.extraction.page_regions import region_text
from flows.extraction.pages import decode_html, extract_page

NOW = datetime(2024, 6, 1, tzinfo=UTC)
SENTENCES = [
    "The mill on the river had stood empty for forty years when the council met to decide its future.",
    "Nobody in the hall expected that a single evening would be enough to change the course of the town.",
    "A carpenter from the next valley offered to repair the wheel, and to teach two apprentices while he did.",
    "By midnight the plan was written down, and the mayor read it aloud to those who had stayed behind.",
    "The county agreed to pay for the roof, provided that the building would be open to schools in spring.",
]
ARTICLE = (
    f'<p>{SENTENCES[0]}</p><p>{SENTENCES[1]} See <a href="/plan" rel="nofollow">the <em>plan</em></a> for '
    f"all of it.</p>"
    f'<figure><img src="/wheel.jpg" alt="The wheel"><figcaption>The wheel in 1931</figcaption></figure>'
    f"<h2>The offer of help</h2><p>{SENTENCES[2]}</p>"
    "<ul><li>The roof comes first, before the winter storms arrive</li><li>The wheel follows in the spring, "
    "if the river allows"
    f"</li></ul><blockquote><p>{SENTENCES[3]}</p></blockquote><p>{SENTENCES[4]}</p>"
)
NAVIGATION = '<nav><ul><li><a href="/">Home</a></li><li><a href="/news">All the news</a></li></ul></nav>'
FOOTER = "<footer><p>Copyright Mill Gazette, all rights reserved. Subscribe to the newsletter.</p></footer>"


def page(head: str = "", body: str = ARTICLE, title: str = "<h1>How the Mill Was Saved</h1>", lang: str = "en") -> str:
    return (
        f'<!DOCTYPE html><html lang="{lang}"><head><meta charset="utf-8"><title>Mill - '
        f"Gazette</title>{head}</head><body>"
        f"{NAVIGATION}<main><article>{title}{body}</article></main>{FOOTER}</body></html>"
    )


def test_the_article_and_nothing_around_it() -> None:
    found = extract_page(page(), url="https://gazette.example/2024/mill", now=NOW)
    for sentence in SENTENCES:
        assert found.extracted.text.count(sentence) == 1
    for leak in ("All the news", "Copyright", "newsletter"):
        assert leak not in found.extracted.text
        assert leak not in found.extracted.markdown
    assert found.extractor.startswith("trafilatura ")


def test_the_markup_of_the_page_is_kept() -> None:
    extracted = extract_page(page(), url="https://gazette.example/2024/mill", now=NOW).extracted
    assert "## The offer of help" in extracted.markdown
    assert "[the *plan*](https://gazette.example/plan)" in extracted.markdown
    assert f"> {SENTENCES[3]}" in extracted.markdown
    assert "- The roof comes first, before the winter storms arrive\n- The wheel" in extracted.markdown
    assert [link["url"] for link in extracted.links] == ["https://gazette.example/plan"]
    assert {"level": 2, "text": "The offer of help"} in extracted.headings
    assert extracted.images == [
        {"url": "https://gazette.example/wheel.jpg", "alt": "The wheel", "caption": "The wheel in 1931"}
    ]


def test_an_article_that_stands_in_the_page_twice_comes_once() -> None:
    twice = page(body=ARTICLE + f'<div class="print-only">{ARTICLE}</div>')
    text = extract_page(twice, now=NOW).extracted.text
    assert 1 <= text.count(SENTENCES[2]) <= 2


def content_of(html: str, chosen: str) -> Extracted:
    """What becomes of a page of which an extractor chose these lines."""
    return chosen_content(read_page(document_fromstring(html), None), chosen)


FERRIES = [f"The ferry number {number} leaves the quay at {number} and comes back at noon" for number in range(1, 5)]


def test_of_a_list_only_the_items_chosen_are_kept_with_their_numbers_and_links() -> None:
    items = "".join(f'<li>{ferry} <a href="/{number}">more</a></li>' for number, ferry in enumerate(FERRIES, 1))
    html = f"<body><p>{SENTENCES[0]}</p><ol>{items}</ol><p>{SENTENCES[1]}</p></body>"
    chosen = [SENTENCES[0], f"- {FERRIES[1]} more", f"- {FERRIES[2]} more", SENTENCES[1]]
    found = content_of(html, "\n".join(chosen))
    assert found.text == f"{SENTENCES[0]}\n\n2. {FERRIES[1]} more\n3. {FERRIES[2]} more\n\n{SENTENCES[1]}"
    assert f"2. {FERRIES[1]} [more](/2)\n3. {FERRIES[2]} [more](/3)" in found.markdown
    assert [link["url"] for link in found.links] == ["/2", "/3"]


def test_a_teaser_above_the_article_is_not_taken_for_the_sentence_it_repeats() -> None:
    html = f"<body><div>{SENTENCES[1]}</div><p>{SENTENCES[0]}</p><p>{SENTENCES[1]}</p><p>{SENTENCES[2]}</p></body>"
    assert content_of(html, "\n".join(SENTENCES[:3])).text == "\n\n".join(SENTENCES[:3])


def test_one_chosen_line_may_be_several_blocks_and_one_block_several_lines() -> None:
    html = f"<body><div><p>{SENTENCES[0]}</p><p>{SENTENCES[1]}</p></div><p>{SENTENCES[2]}<br>{SENTENCES[3]}</p></body>"
    found = content_of(html, f"| {SENTENCES[0]} {SENTENCES[1]} |\n{SENTENCES[2]}\n{SENTENCES[3]}")
    assert found.text == f"{SENTENCES[0]}\n\n{SENTENCES[1]}\n\n{SENTENCES[2]}\n{SENTENCES[3]}"


def test_what_no_block_holds_is_put_in_where_it_was_chosen() -> None:
    html = f"<body><p>{SENTENCES[0]}</p><p>{SENTENCES[2]}</p></body>"
    found = content_of(html, "\n".join(SENTENCES[:3]))
    assert found.text == "\n\n".join(SENTENCES[:3])
    assert content_of(html, f"{SENTENCES[1]}\n{SENTENCES[0]}").text == f"{SENTENCES[1]}\n\n{SENTENCES[0]}"


def test_what_parts_the_text_without_words_and_names_said_again_stay() -> None:
    html = (
        f"<body><p>***</p><p>anna</p><p>{SENTENCES[0]}</p><p>***</p><p>{SENTENCES[1]}</p><p>anna</p>"
        f"<p>{SENTENCES[2]}</p><p>***</p></body>"
    )
    found = content_of(html, "\n".join(["anna", *SENTENCES[:3]]))
    assert found.text == "\n\n".join(["anna", SENTENCES[0], "***", SENTENCES[1], "anna", SENTENCES[2]])


def test_the_region_is_where_the_prose_stands() -> None:
    teasers = "".join(f'<li><a href="/{number}">{ferry}, and more</a></li>' for number, ferry in enumerate(FERRIES))
    comments = f'<div class="comments"><p>{SENTENCES[3]}</p><p>{SENTENCES[4]}</p></div>'
    story = "".join(f"<p>{sentence}</p>" for sentence in SENTENCES[:3])
    html = f"<body><ul>{teasers}</ul><div><div>{story}</div></div>{comments}</body>"
    assert region_text(read_page(document_fromstring(html), None)).split("\n") == SENTENCES[:3]
    assert region_text(read_page(document_fromstring("<body></body>"), None)) == ""


def test_the_tree_is_given_to_the_library_whole_and_comes_back_whole() -> None:
    tree = document_fromstring(page())
    before = tostring(tree)
    choose(page(), tree, "", Kind(article=True, product=False), [])
    assert tostring(tree) == before


def test_the_wordpress_container_wins_where_the_library_loses_half() -> None:
    captions = "".join(
        f'<figure><img src="/{number}.jpg"><figcaption>Picture number {number} shows the workshop on the '
        f"day that the "
        f"beams were lifted in, seen from the {number}th step of the ladder.</figcaption></figure>"
        for number in range(12)
    )
    body = f'<div class="entry-content">{ARTICLE}{captions}<div class="sharedaddy">Share this</div></div>'
    found = extract_page(page('<link rel="stylesheet" href="/wp-content/x.css">', body), now=NOW)
    assert found.extractor.startswith("wordpress container")
    assert "Picture number 11 shows" in found.extracted.text
    assert "Share this" not in found.extracted.text


LINKED = """<script
type="application/ld+json">{"@context":"https://schema.org","@graph":[{"@type":"WebSite","name":"x"},
{"@type":"NewsArticle","headline":"h","datePublished":"2024-03-05T08:30:00+01:00","dateModified":"2024-03-06T09:00:00Z",
"author":[{"@type":"Person","name":"Anna Miller"},{"name":"Wei Zhang"},{"name":"Anna Miller"}],
"image":["https://gazette.example/ld.jpg"]}]}</script>"""


def test_linked_data_comes_first() -> None:
    head = LINKED + '<meta property="article:published_time" content="2020-01-01T00:00:00Z">'
    found = extract_page(page(head), now=NOW)
    assert found.published_at == datetime(2024, 3, 5, 7, 30, tzinfo=UTC)
    assert found.modified_at == datetime(2024, 3, 6, 9, tzinfo=UTC)
    assert found.date_quality == "ok"
    assert found.authors == ["Anna Miller", "Wei Zhang"]
    assert found.image_url == "https://gazette.example/ld.jpg"


@pytest.mark.parametrize(
    ("head", "title", "moment", "quality"),
    [
        ('<meta property="article:published_time" content="2023-02-03T10:00:00-05:00">', "",
         datetime(2023, 2, 3, 15, tzinfo=UTC), "ok"),
        ('<meta property="article:published_time" content="2023-02-03T10:00:00">', "",
         datetime(2023, 2, 3, 10, tzinfo=UTC), "local_time"),
        ("", '<time class="entry-date published" datetime="2022-07-08T09:10:11+00:00">8 July</time>',
         datetime(2022, 7, 8, 9, 10, 11, tzinfo=UTC), "ok"),
        ('<meta property="article:published_time" content="2031-01-01T00:00:00Z">', "", None, "implausible"),
        ('<meta name="pubdate" content="1970-01-01T00:00:00Z">', "", None, "implausible"),
        ('<meta property="article:published_time" content="1970-01-01T00:00:00Z"><meta name="pubdate" '
         'content="2021-05-05">', "", datetime(2021, 5, 5, tzinfo=UTC), "local_time"),
        ("", "", None, "missing"),
        ("<script type='application/ld+json'>{broken</script>", "", None, "missing"),
    ],
)  # fmt: skip
def test_dates(head: str, title: str, moment: datetime | None, quality: str) -> None:
    found = extract_page(page(head, title=f"<h1>Head</h1>{title}"), now=NOW)
    assert (found.published_at, found.date_quality) == (moment, quality)


@pytest.mark.parametrize(
    ("value", "moment", "quality"),
    [
        ("2024-03-05T08:30:00.123456Z", datetime(2024, 3, 5, 8, 30, 0, 123456, tzinfo=UTC), "ok"),
        ("2024-03-05 08:30:00 +0100", datetime(2024, 3, 5, 7, 30, tzinfo=UTC), "ok"),
        ("2024/3/5", datetime(2024, 3, 5, tzinfo=UTC), "local_time"),
        ("Tue, 05 Mar 2024 08:30:00 GMT", datetime(2024, 3, 5, 8, 30, tzinfo=UTC), "ok"),
        ("2024-03-05 at noon", datetime(2024, 3, 5, tzinfo=UTC), "local_time"),
    ],
)
def test_date_formats(value: str, moment: datetime, quality: str) -> None:
    parsed = parse_date(value)
    assert parsed is not None
    assert (parsed.moment, parsed.quality) == (moment, quality)


@pytest.mark.parametrize("value", ["", "yesterday", "2024-13-45", None, 20240305, "0000-00-00", "9999-99-99T99:99:99"])
def test_what_is_no_date(value: object) -> None:
    assert parse_date(value) is None


def test_titles() -> None:
    assert extract_page(page(), now=NOW).title == "How the Mill Was Saved"
    assert extract_page(page(title="<h1>R&amp;D <em>now</em></h1>"), now=NOW).title == "R&D now"
    two = extract_page(page('<meta property="og:title" content="The real one">', title="<h1>A</h1><h1>B</h1>"), now=NOW)
    assert two.title == "The real one"


def test_what_the_page_says_about_itself() -> None:
    head = (
        '<link rel="canonical" href="/2024/mill/"><meta property="og:site_name" content="Mill Gazette &amp; '
        'Post">'
        '<meta property="og:description" content="A  short&#39;s story"><meta property="og:image" '
        'content="/lead.jpg">'
    )
    found = extract_page(page(head, lang="en_us"), url="https://gazette.example/2024/mill?utm=1", now=NOW)
    assert found.url == "https://gazette.example/2024/mill/"
    assert found.site_name == "Mill Gazette & Post"
    assert found.excerpt == "A short's story"
    assert found.image_url == "https://gazette.example/lead.jpg"
    assert found.language == "en-US"


_SAYING_LESS = ("h1", "title", "canonical", "og:", "author", "ld+json", "twitter:", "itemprop", "class=")


@pytest.mark.parametrize("case", [case for case in cases() if case.meta["kind"] == "page"], ids=lambda case: case.name)
@pytest.mark.parametrize("unsaid", ["", *_SAYING_LESS])
def test_guesses_are_those_that_trafilatura_makes_together(case: Case, unsaid: str) -> None:
    tree = document_fromstring(case.source.replace(unsaid, "x-") if unsaid else case.source)
    expected = extract_metadata(tree, default_url=BASE_URL, extensive=False)
    guesses = Guesses(tree, BASE_URL)
    found = guesses.title(), guesses.author(), guesses.site_name()
    assert found == (expected.title or "", expected.author or "", expected.sitename or "")


@given(st.text())
def test_letters_are_what_no_pattern_of_signs_matches(text: str) -> None:
    assert letters(text) == re.sub(r"[\W_]+", "", text.casefold())


@pytest.mark.parametrize(
    "source",
    [
        "",
        "   ",
        "<!-- x -->",
        "plain words only",
        "<html></html>",
        "\x00",
        "<div>" * 5000 + "deep",
        "{}",
        "\ud800",
    ],
)
def test_pages_that_are_none(source: str) -> None:
    found = extract_page(source, now=NOW)
    assert found.date_quality == "missing"
    assert found.published_at is None


@pytest.mark.parametrize(
    ("data", "header", "text"),
    [
        ("<p>café</p>".encode(), None, "<p>café</p>"),
        (b"\xef\xbb\xbf<p>x</p>", "text/html; charset=latin-1", "<p>x</p>"),
        ("<p>café</p>".encode("utf-16"), None, "<p>café</p>"),
        ("<p>it’s</p>".encode("cp1252"), "text/html; charset=ISO-8859-1", "<p>it’s</p>"),
        ('<meta '
        'charset="windows-1251"><p>Мельница</p>'.encode("cp1251"), None, '<meta '
        'charset="windows-1251"><p>Мельница</p>'),
        ("<p>café</p>".encode(), "text/html; charset=iso-8859-1", "<p>café</p>"),
        ('<meta '
        'charset="shift_jis"><p>水車①</p>'.encode("cp932"), None, '<meta charset="shift_jis"><p>水車①</p>'),
        ("水車".encode("iso2022_jp"), "text/html; charset=iso-2022-jp", "水車"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=gb2312">磨坊'.encode("gb18030"), None,
         '<meta http-equiv="Content-Type" content="text/html; charset=gb2312">磨坊'),
        (b'<meta charset="utf-16"><p>x</p>', None, '<meta charset="utf-16"><p>x</p>'),
        (b"<p>x</p>", "text/html; charset=nonsense", "<p>x</p>"),
        (b"<p>x</p>", "text/html; charset=rot13", "<p>x</p>"),
        (b"", None, ""),
    ],
)  # fmt: skip
def test_decoding(data: bytes, header: str | None, text: str) -> None:
    assert decode_html(data, header) == text


def test_undeclared_encodings_are_detected_and_garbage_never_raises() -> None:
    text = "<p>" + "Мельница на реке стояла пустой сорок лет, пока совет не собрался. " * 8 + "</p>"
    assert decode_html(text.encode("cp1251")) == text
    assert isinstance(decode_html(bytes(range(256)) * 40), str)
    broken = "Mühle über allem " * 40
    assert decode_html(broken.encode() + b"\xc3")[: len(broken)] == broken
