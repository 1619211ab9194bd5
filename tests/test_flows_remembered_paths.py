"""What trafilatura's searches find is found, and no search is remembered that looks beyond an element."""

import runpy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from lxml.html import document_fromstring
from recorded import Case, cases
from trafilatura import xpaths

from flows.extraction.page_choice import REMEMBERED
from flows.extraction.remembered_paths import RememberedPath, remember

# As the library has them: in this process they may be remembered already.
OWN: dict[str, list[Any]] = {name: runpy.run_path(xpaths.__file__)[name] for name in REMEMBERED}
PAIRS = []
for expressions in OWN.values():
    faster = list(expressions)
    remember(faster)
    PAIRS += list(zip(expressions, faster, strict=True))

NAMES = st.sampled_from(
    ["comments", "commentary", "x comment-list", "share", "Shared", "sidebar", "nav", "meta", "menu", "hidden", "teaser", "ad-x",
     "caption", "reply-1", "display:none", "true", "author", "cookie", "post", "", "elementor-share-buttons", "message", " hide"]
)  # fmt: skip
ATTRIBUTES = st.sampled_from(
    ["id", "class", "style", "role", "aria-hidden", "data-component", "title", "data-lp-replacement-content"]
)
TAGS = st.sampled_from(["div", "p", "section", "span", "ul", "ol", "details", "aside", "list", "item", "em", "a"])


def tree(children: st.SearchStrategy[list[etree._Element]]) -> st.SearchStrategy[etree._Element]:
    return st.builds(_element, TAGS, st.lists(st.tuples(ATTRIBUTES, NAMES), max_size=3), children)


def _element(tag: str, attributes: list[tuple[str, str]], children: list[etree._Element]) -> etree._Element:
    element = etree.Element(tag)
    for name, value in attributes:
        element.set(name, value)  # in this order, which some of the expressions depend on
    element.extend(children)
    return element


TREES = st.recursive(tree(st.just([])), lambda inner: tree(st.lists(inner, max_size=4)), max_leaves=12)


def test_all_but_one_of_the_searches_are_remembered() -> None:
    # A release that writes them otherwise costs time, no word; then this says so.
    assert [isinstance(faster, RememberedPath) for _, faster in PAIRS] == [".//h1" not in own.path for own, _ in PAIRS]


@given(TREES)
def test_a_remembered_search_finds_what_the_library_finds(root: etree._Element) -> None:
    for own, faster in PAIRS:
        assert faster(root) == own(root)


@pytest.mark.parametrize("case", [case for case in cases() if case.meta["kind"] != "text"], ids=lambda case: case.name)
def test_on_recorded_pages_too(case: Case) -> None:
    root = document_fromstring(f"<html><body>{case.source.encode('utf-8', 'replace').decode()}</body></html>".encode())
    for own, faster in PAIRS:
        assert faster(root) == own(root)


@pytest.mark.parametrize(
    "path",
    [
        ".//*[.//h1]", ".//*[@class][1]", ".//*[position()=1]", ".//*[contains(., 'x')]", ".//*[last()]", ".//*[text()]",
        ".//*[../@id]", ".//p[@class]", "//*[@class]", ".//*[@class]/a", ".//*[count(@*)=1]", ".//*[rel='me']", ".//*",
        ".//*[not(self::p[1])]", ".//*[ancestor::p]", ".//*[string()='x']",
    ],
)  # fmt: skip
def test_a_search_that_looks_beyond_an_element_is_left_as_it_is(path: str) -> None:
    own = etree.XPath(path)
    expressions: list[Any] = [own]
    remember(expressions)
    assert expressions == [own]
