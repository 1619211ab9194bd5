"""Every recorded case comes out as recorded, and no more words are lost or leaked than ever before."""

import json
import re

import pytest
from markdown_it import MarkdownIt
from record_cases import measure, raised
from recorded import BASE_URL, FLOOR, FOLDER, Case, cases

from flows.extraction.fragments import extract_fragment

CASES = cases()
RESULTS = {case.name: case.extract() for case in CASES}
RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
LONE_MARKS = re.compile(r"\*\*|~~|!\[|\]\(")


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_case_as_recorded(case: Case) -> None:
    for name, content in RESULTS[case.name].files().items():
        recorded = (case.folder / name).read_bytes().decode()
        assert content == recorded, f"{name}: if this is meant, run python tests/record_cases.py {case.name}"


def test_what_the_case_is_about(case: Case) -> None:
    result = RESULTS[case.name]
    for text in case.meta.get("must_appear", []):
        assert text in result.text
    for text in case.meta.get("must_not_appear", []):
        assert text not in result.text
        assert text not in result.markdown


def test_markdown_renders_without_stray_marks(case: Case) -> None:
    """Prose that shows `**` or `](` after rendering was marked wrongly, unless the text holds it too."""
    shown = []
    for token in RENDERER.parse(RESULTS[case.name].markdown):
        shown += [child.content for child in token.children or [] if child.type == "text"]
    plain = RESULTS[case.name].text
    stray = [mark for mark in LONE_MARKS.findall("\n".join(shown)) if mark not in plain]
    assert stray == []


def test_blocks_are_the_same_in_both_forms(case: Case) -> None:
    """Headings, tables, code and list items of the rendered Markdown are those the record counts."""
    tokens = RENDERER.parse(RESULTS[case.name].markdown)
    headings = [
        inline.content for token, inline in zip(tokens, tokens[1:], strict=False) if token.type == "heading_open"
    ]
    if case.meta["kind"] != "markdown":
        assert len(headings) == len(RESULTS[case.name].facts["headings"])


def test_nothing_is_worse_than_the_floor() -> None:
    floor = json.loads(FLOOR.read_text())
    measured = measure(CASES, RESULTS)
    assert raised(floor, measured) == floor, f"better than the floor: record it with tests/record_cases.py ({measured})"
    assert raised(measured, floor) == measured, f"worse than the floor {floor}"


def test_cases_are_whole_and_many() -> None:
    assert len(CASES) >= 120
    names = {case.name for case in CASES}
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == names
    for case in CASES:
        assert case.meta["what"]
        assert case.meta["kind"] in ("fragment", "page", "text", "markdown")
        assert len(list(case.folder.glob("input.*"))) == 1


NOISE = [
    ("ids", re.compile(r"<(p|h2|h3|div|li|ul|figure)(?=[ >])(?![^>]* id=)"), r'<\1 id="block-7f3a91"'),
    ("classes", re.compile(r"<(p|li)>"), r'<\1 class="wp-block-paragraph has-text-color is-layout-constrained-91">'),
    ("nonces", re.compile(r"$"), '<script nonce="a8f3">var nonce="1f";</script><!-- served in 0.31 s -->'),
    ("white space between blocks", re.compile(r"(</(?:p|h2|h3|ul|ol|figure|blockquote|table)>)"), "\\1\n\n\t \n"),
    ("picture attributes", re.compile(r"<img "), '<img decoding="async" loading="lazy" fetchpriority="high" '),
    ("data attributes", re.compile(r"<(p|a|li|h2)(?=[ >])"), r'<\1 data-rendered-at="1716200000"'),
]
RERENDERED = [
    case for case in CASES
    if case.meta["kind"] == "fragment" and not case.meta.get("autop")
    and not case.name.startswith(("broken-", "script-broken", "block-code", "shortcode-in-code", "inline-markdown", "old-"))
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "replacement"), [noise[1:] for noise in NOISE], ids=[noise[0] for noise in NOISE])
def test_rendering_again_changes_nothing(pattern: re.Pattern[str], replacement: str) -> None:
    for case in RERENDERED:
        found = extract_fragment(pattern.sub(replacement, case.source), base_url=BASE_URL)
        assert (found.text, found.markdown) == (RESULTS[case.name].text, RESULTS[case.name].markdown), case.name
