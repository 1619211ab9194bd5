"""Blocks read by pattern come out as the parser and the walker would have them, whatever they hold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import BASE_URL, Case, cases

from flows.extraction import fragments
from flows.extraction.fragments import Extracted, clean_bytes, extract_fragment, extract_tree
from flows.extraction.shortcodes import closing_names, expand_known


def through_tree(html: str) -> Extracted:
    """Extract without the patterns."""
    html = expand_known(html)
    root = fragments._parse(clean_bytes(html))
    assert root is not None
    return extract_tree(root, base_url=BASE_URL, closed=closing_names(html))


TEXTS = st.sampled_from([
    "word", "two words", "a ", " b", "", " ", "\n", "\n\n", "  ", "1. x", "# y", "- z", "> q", "a*b", "snake_case", "_x_",
    "!", "&amp;", "&lt;b&gt;", "&#8217;s", "&#8220;said&#8221;", "&nbsp;", "&copy", "&copy;", "&#150;", "&", "a & b", "<", ">",
    "[1]", "[gallery]", "[b]x[/b]", "https://example.org/a_b", "www.example.org", "漢字", "か\nな", "é", "💡", "\\", "`", "~~",
    "\u200d", "\xa0", "\u3000", "C #", "a|b", "=", "↩", "&#8230;", "&hellip;", "&#x2019;", "&#38;", "&#038;", "&amp;#8217;",
])  # fmt: skip
HREFS = st.sampled_from([
    'href="https://example.org/a?b=1&amp;c=2"', 'href="/relative"', 'href="#note"', 'href=""', "href='x'", "href=x",
    'href="javascript:x()"', 'href="https://example.org/(a)"', 'class="more-link" href="/m"', 'rel="nofollow" href="/n"',
    'href="/o" target="_blank" rel="noopener"', 'href="/p" style="display:none"', 'name="anchor"', 'href=" /q "',
    'href="a b"', 'href="/a[1]"', 'href="/x" href="/y"', 'title="a>b" href="/z"', 'href="/u" hidden',
    'id="toc_container" href="/t"',
])  # fmt: skip
CLASSES = st.sampled_from(
    ["", ' class="wp-block-list"', ' class="sharedaddy"', ' id="x"', ' style="display:none"', ' class="has-large-font-size"',
     ' data-x="a>b"', " class='y'", ' start="3"', ' class="yarpp-related x"', " reversed", ' data-json="<p>"'],
)  # fmt: skip


def tagged(
    name: str, inner: st.SearchStrategy[str], attributes: st.SearchStrategy[str] = CLASSES
) -> st.SearchStrategy[str]:
    return st.builds(lambda a, i: f"<{name}{a}>{i}</{name}>", attributes, inner)


def run(depth: int) -> st.SearchStrategy[str]:
    """Text, links and emphasis, one in another to a depth."""
    parts = [TEXTS, st.sampled_from(["<br>", "<br />", "<br/>\n", '<img src="/i.png" alt="i">', "<!-- c -->", "<wbr>"])]
    if depth:
        inner = run(depth - 1)
        parts += [st.builds(lambda h, i: f"<a {h}>{i}</a>", HREFS, inner)]
        parts += [
            tagged(name, inner, st.sampled_from(["", "", ' class="x"']))
            for name in ("strong", "b", "em", "i", "code", "span", "sup", "del", "q")
        ]
    return st.lists(st.one_of(parts), max_size=5).map("".join)


RUN = run(2)
ITEMS = st.lists(tagged("li", RUN, st.sampled_from(["", "", ' class="y"', ' value="7"'])), max_size=4)
LISTS = st.one_of(tagged("ul", ITEMS.map("\n".join)), tagged("ol", ITEMS.map("".join)))
BLOCKS = st.one_of(
    tagged("p", RUN), tagged("p", RUN), tagged("h2", RUN), tagged("h4", RUN), LISTS,
    tagged("ul", st.builds(lambda a, b: f"<li>x{a}</li>{b}", LISTS, TEXTS)),
    tagged("div", st.builds(lambda a, b: f"<p>{a}</p>{b}", RUN, RUN)), tagged("blockquote", tagged("p", RUN)),
    tagged("figure", st.builds(lambda a: f'<img src="/f.png"><figcaption>{a}</figcaption>', RUN)), tagged("pre", RUN),
    tagged("table", st.builds(lambda a, b: f"<tr><td>{a}</td><td>{b}</td></tr>", RUN, RUN)),
    st.sampled_from(["<hr>", "<hr />", "<p>open", "</p>", "</div>", "<ul>", "<li>", "<script>if (a<b) {}</script>", "loose",
                     "<iframe src='https://e.org/v'></iframe>", "<style>p{}</style>", "<P>upper</P>", "<p >x</p>",
                     "<p\n>x</p>", "<p>a<p>b</p>", "<h2>a</h3>", "<embed src='/e'>", "<xmp>&#8217;</xmp>",
                     "<a href='/l'>loose</a>"]),
)  # fmt: skip


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.one_of(BLOCKS, st.sampled_from(["\n", "\n\n\n", " "])), max_size=8).map("".join))
def test_invented_documents_come_out_the_same(html: str) -> None:
    assert extract_fragment(html, base_url=BASE_URL) == through_tree(html)


def test_recorded_cases_come_out_the_same() -> None:
    compared = 0
    for case in cases():
        for html in _fragments(case):
            assert extract_fragment(html, base_url=BASE_URL) == through_tree(html), case.name
            compared += 1
    assert compared > 90


def _fragments(case: Case) -> list[str]:
    return [path.read_bytes().decode("utf-8", "replace") for path in case.folder.glob("input.html")]


def test_plain_blocks_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the patterns would be of no use."""
    parsed = []
    parse = fragments._parse

    def counted(data: bytes) -> object:
        parsed.append(data)
        return parse(data)

    monkeypatch.setattr(fragments, "_parse", counted)
    found = extract_fragment(
        '<h2 class="wp-block-heading">A &#8220;head&#8221;</h2>\n\n<p>One <a href="/x">link</a>, <strong>bold</strong>'
        ' &amp; <em>more</em>.</p>\n<ul class="wp-block-list"><li>item</li>\n<li>other</li></ul>',
        base_url=BASE_URL,
    )
    assert not parsed
    assert found.text == "A “head”\n\nOne link, bold & more.\n\n- item\n- other"
    assert found.markdown == ("## A “head”\n\nOne [link](https://example.com/x), **bold** & *more*.\n\n- item\n- other")
