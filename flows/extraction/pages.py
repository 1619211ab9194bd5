"""Whole HTML pages, for sites without an API: what is the article, and what the page says about it.

`flows.extraction.page_choice` says which text is the article; on WordPress pages the theme's content container is
asked as well. `flows.extraction.page_alignment` turns the choice into content.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from lxml import etree
from lxml import html as lxml_html

from flows.extraction.charsets import decode_html
from flows.extraction.fragments import EXTRACTOR, Extracted, clean_bytes, extract_tree, plain_inline
from flows.extraction.page_alignment import chosen_content
from flows.extraction.page_blocks import read_page
from flows.extraction.page_choice import choose
from flows.extraction.page_guesses import Guesses
from flows.extraction.page_metadata import (
    canonical_url,
    declared_language,
    kind_of,
    lead_image,
    linked_data,
    metas,
    page_authors,
    page_dates,
)
from flows.extraction.page_regions import region_text

__all__ = ["Page", "decode_html", "extract_page"]

# Take the WordPress container when it holds this much more: .9515 instead of .9439 on 269 WordPress pages.
_CONTAINER_GATE: Final = 1.1
_MOST_HEADINGS: Final = 3
_CONTAINERS: Final = (
    "entry-content", "post-content", "wp-block-post-content", "td-post-content", "single-content",
    "the-content",
    "post-entry", "article-content", "post__content", "entry__content",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """An article page.

    Attributes:
        extracted: The main content.
        title: The title; empty when the page has none.
        authors: Names, without duplicates.
        published_at: UTC; None when missing or implausible.
        modified_at: UTC.
        date_quality: `ok`, `local_time`, `missing` or `implausible`, of `published_at`.
        url: The canonical address.
        site_name: The name the site gives itself.
        language: As declared, BCP 47.
        excerpt: The description.
        image_url: The picture the page is shared with.
        extractor: Which extractor's choice was taken, with versions.
    """

    extracted: Extracted
    title: str
    authors: list[str]
    published_at: datetime | None
    modified_at: datetime | None
    date_quality: str
    url: str | None
    site_name: str | None
    language: str | None
    excerpt: str | None
    image_url: str | None
    extractor: str


def extract_page(html: str, *, url: str | None = None, now: datetime | None = None) -> Page:
    """Extract the article of a whole page and what the page says about it.

    Args:
        html: The page.
        url: Where it was fetched from, to resolve links.
        now: The moment after which dates are implausible; the present one by default.
    """
    data = clean_bytes(html)
    html = data.decode()
    tree = _parse(data)
    meta, described = metas(tree), linked_data(tree)
    authors = page_authors(described, None)
    site_name = meta.get("og:site_name")
    # trafilatura's guesses are dear: they are asked for only where the page does not say.
    told = authors and site_name and (meta.get("og:title") or len(list(tree.iter("h1"))) == 1)
    guesses = None if told else Guesses(tree, url)
    if guesses is not None:
        authors = authors or page_authors({}, guesses.author())
        site_name = site_name or guesses.site_name()
    published, modified, quality = page_dates(tree, meta, described, now or datetime.now(UTC))
    title = _title(tree, meta, guesses)
    canonical, language = canonical_url(tree, meta, url), declared_language(tree, meta)
    titles = [title, meta.get("og:title") or "", *_own_names(tree)]
    extracted, extractor = _content(html, tree, url, titles)  # last: it drops elements of the tree
    return Page(
        extracted=extracted,
        title=title,
        authors=authors,
        published_at=published,
        modified_at=modified,
        date_quality=quality,
        url=canonical,
        site_name=plain_inline(site_name or "") or None,
        language=language,
        excerpt=plain_inline(meta.get("og:description") or meta.get("description") or "") or None,
        image_url=lead_image(meta, described, url),
        extractor=extractor,
    )


@cache
def _parser() -> Any:
    parser = lxml_html.HTMLParser(huge_tree=True, remove_comments=True, remove_pis=True, encoding="utf-8")
    # lxml asks a Python function for the class of every element, each time it is looked at: a tenth of a page's time.
    # Nobody here needs the classes of form fields.
    parser.set_element_class_lookup(etree.ElementDefaultClassLookup(element=lxml_html.HtmlElement))
    return parser


def _parse(data: bytes) -> Any:
    try:
        root = lxml_html.document_fromstring(data, parser=_parser())
    except etree.ParserError:  # nothing but white space or comments
        root = None
    return lxml_html.document_fromstring(b"<html><body></body></html>") if root is None else root


def _content(html: str, tree: Any, url: str | None, titles: list[str]) -> tuple[Extracted, str]:
    container = _wordpress_container(html, tree)
    contained = extract_tree(container, base_url=url) if container is not None else None
    page = read_page(tree, url)
    kind = kind_of(tree)
    # Scripts and styles stay: trafilatura measures a page by what it finds around them.
    for element in list(tree.iter("noscript")):
        element.drop_tree()
    choice = choose(html, tree, region_text(page), kind, titles)
    if contained is not None and len(contained.text) > _CONTAINER_GATE * len(choice.text):
        return contained, f"wordpress container; {EXTRACTOR}"
    return chosen_content(page, choice.text), f"{choice.extractor}; {EXTRACTOR}"


def _wordpress_container(html: str, tree: Any) -> Any:
    """The element a WordPress theme prints the content into; the largest where a page has several."""
    if "wp-content" not in html and "wp-includes" not in html:
        return None
    for name in _CONTAINERS:
        found = [node for node in tree.iter("div", "section", "article") if name in (node.get("class") or "").split()]
        if len(found) == 1:
            return found[0]
        if found:
            return None  # a list of articles, not one
    return None


def _own_names(tree: Any) -> list[str]:
    names = [*tree.iter("h1")][:_MOST_HEADINGS] + [*tree.iter("title")][:1]
    return [" ".join(name.itertext()) for name in names]


def _title(tree: Any, meta: dict[str, str], guesses: Guesses | None) -> str:
    """The only `h1` if there is exactly one (right for 83 % of pages, the library's guess for 59 %)."""
    headings = list(tree.iter("h1"))
    if len(headings) == 1:
        title = " ".join(" ".join(headings[0].itertext()).split())
        if title and title != meta.get("og:site_name"):
            return plain_inline(etree.tostring(headings[0], encoding="unicode", with_tail=False)) or title
    return plain_inline((guesses and guesses.title()) or meta.get("og:title") or "")
