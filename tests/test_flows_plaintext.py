"""Plain text and Markdown files: the title apart, the structure found, no word lost."""

import datetime
import re

import pytest
from markdown_it import MarkdownIt

from flows.extraction.plaintext import extract_markdown, extract_plain_text, looks_like_markdown

ARTICLE = """How the Mill Was Saved

How the Mill Was Saved

The mill on the river had stood empty for forty years when the council met to decide what should become of
it. Nobody expected an answer.

A Long Night in the Hall

The meeting lasted until two. At the end, only one proposal was left on the table.

What Did It Cost?

KEY FIGURES

Key Points:

  • The roof was repaired first, with money from the county.
  • The wheel turns again.

1. Open in May
2. Free on Sundays
"""


def test_an_article() -> None:
    found = extract_plain_text(ARTICLE, fallback_title="file")
    assert found.title == "How the Mill Was Saved"
    assert "How the Mill" not in found.extracted.text
    assert found.metadata == {}
    assert found.extracted.text.endswith(
        "- The roof was repaired first, with money from the county.\n- The wheel turns again.\n\n"
        "1. Open in May\n2. Free on Sundays"
    )
    assert "## A Long Night in the Hall\n\nThe meeting" in found.extracted.markdown


def test_headings_are_found_in_order() -> None:
    source = (
        "Title\n\nIntro text that goes on.\n\nThe First Part\n\nText here.\n\nUnderlined\n----------\n\n"
        "More.\n\nSECOND PART\n\nText.\n\n### Marked one\n\nText.\n\n2. Numbered Part of It\n\nText, ok.\n"
    )
    found = extract_plain_text(source, fallback_title="x")
    assert [heading["text"] for heading in found.extracted.headings] == [
        "The First Part", "Underlined", "SECOND PART", "Marked one", "2. Numbered Part of It",
    ]  # fmt: skip
    assert found.extracted.headings[3]["level"] == 3


@pytest.mark.parametrize(
    "line",
    ["He came "
    "home.", "Then it rained, and rained,", "the lower case line", "By Anna Miller", "https://example.com/A",
     "This Line Has Far Too Many Words To Be A Heading Of Any Kind At "
     "All", "Write to Anna@Example.com", "Yes!"],
)  # fmt: skip
def test_lines_that_are_no_headings(line: str) -> None:
    found = extract_plain_text(f"Title\n\nSome text.\n\n{line}\n\nMore text.", fallback_title="x")
    assert found.extracted.headings == []
    assert line in found.extracted.text


def test_a_last_line_and_a_list_of_names_are_no_headings() -> None:
    found = extract_plain_text(
        "Title\n\nText.\n\nAnna Miller\n\nPeter Brown\n\nWei Zhang\n\nThe End", fallback_title="x"
    )
    assert found.extracted.headings == []


def test_wrapped_paragraphs_are_joined_and_short_lines_kept() -> None:
    source = """On Wrapping

The editor that wrote this file broke every line near the seventieth
column, as editors of that time did, and a reader of the text today
wants the paragraph back in one piece.

The tide goes out,
the boats lie down
and sleep.

Mill Trust
12 River Lane
Ashford
"""
    found = extract_plain_text(source, fallback_title="x").extracted
    assert "near the seventieth column, as editors" in found.text
    assert "The tide goes out,\nthe boats lie down\nand sleep." in found.text
    assert "Mill Trust\n12 River Lane\nAshford" in found.text
    assert "The tide goes out,  \nthe boats" in found.markdown


def test_one_paragraph_a_line() -> None:
    long = "This paragraph is one very long line, as most editors write them today, " * 2 + "and ends."
    found = extract_plain_text(f"Title\n{long}\nA Heading Between\n{long}\n", fallback_title="x").extracted
    assert found.text == f"{long}\n\nA Heading Between\n\n{long}"
    assert [heading["text"] for heading in found.headings] == ["A Heading Between"]


def test_lists_nest_continue_and_survive_blank_lines() -> None:
    source = "Title\n\n* one\n  goes on\n    - inner\n* two\n\n* three\n\n1) first\n2) second\n"
    found = extract_plain_text(source, fallback_title="x").extracted
    assert found.text == "- one goes on\n  - inner\n- two\n- three\n\n1. first\n2. second"
    assert found.markdown == found.text


def test_a_lone_dash_is_dialogue() -> None:
    found = extract_plain_text("Title\n\n– Who is there?\n\nNobody spoke.", fallback_title="x").extracted
    assert found.text == "– Who is there?\n\nNobody spoke."


@pytest.mark.parametrize(
    ("source", "title", "text"),
    [
        ("Only line", "Only line", ""),
        ("", "file", ""),
        ("\n\n  \n", "file", ""),
        ("# Marked #\n\nBody.", "Marked", "Body."),
        ("Under\n=====\n\nBody.", "Under", "Body."),
        ("Title\nBody at once.", "Title", "Body at once."),
        ("\ufeffTitle\r\n\r\nBody\x00.", "Title", "Body."),
        ("• a\n• b", "file", "- a\n- b"),
        ("The Title!\n\n## THE TITLE\n\nBody.", "The Title!", "Body."),
        ("T\n\nT\n\nT\n\nx.", "T", "T\n\nx."),
        ("第一章\n\n从前有一座山。", "第一章", "从前有一座山。"),
        ("This sentence starts a paragraph that was wrapped by hand and has\nno title above it.", "file",
         "This sentence starts a paragraph that was wrapped by hand and has no title above it."),
    ],
)  # fmt: skip
def test_titles(source: str, title: str, text: str) -> None:
    found = extract_plain_text(source, fallback_title="file")
    assert (found.title, found.extracted.text) == (title, text)


def test_markup_characters_are_escaped_and_addresses_linked() -> None:
    line = "Use *stars*, _lines_, `ticks`, [x](y), <b> & &amp; see https://example.com/a_b_c."
    found = extract_plain_text(f"Title\n\n{line}\n\n# not\n1986. A year", fallback_title="x").extracted
    shown = re.sub(r"<(?!b>)[^>]+>", "", MarkdownIt("commonmark").render(found.markdown.split("\n\n")[0]))
    assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip() == line
    assert [link["url"] for link in found.links] == ["https://example.com/a_b_c"]


def test_no_word_is_lost() -> None:
    for source in (ARTICLE, ARTICLE.replace("\n\n", "\n"), ARTICLE.replace("  •", "\t-")):
        found = extract_plain_text(source, fallback_title="x")
        held = re.findall(r"\w+", found.title + " " + found.extracted.text)
        missing = set(re.findall(r"\w+", source)) - set(held)
        assert missing == set()


FRONT = """---
title: "On Locks"
date: 2021-05-04
authors: [Anna Miller, Wei Zhang]
tags:
  - canals
draft: false
---

# On Locks

Water *rises* in the [chamber](../chamber.html).

| Gate | Width |
|------|-------|
| Top  | 4 m   |

Setext
------

- a
  - b

```python
x = "# no heading"
```
"""


def test_markdown_with_front_matter() -> None:
    found = extract_markdown(FRONT, fallback_title="x", base_url="https://example.com/docs/locks/")
    assert found.title == "On Locks"
    assert found.metadata["date"] == datetime.date(2021, 5, 4)
    assert found.metadata["authors"] == ["Anna Miller", "Wei Zhang"]
    assert found.metadata["draft"] is False
    assert found.extracted.text == (
        'Water rises in the chamber.\n\nGate | Width\nTop | 4 m\n\nSetext\n\n- a\n  - b\n\nx = "# no heading"'
    )
    assert found.extracted.markdown.startswith("Water *rises* in the [chamber](../chamber.html).\n\n| Gate | Width |")
    assert found.extracted.headings == [{"level": 2, "text": "Setext"}]
    assert found.extracted.links[0]["url"] == "https://example.com/docs/chamber.html"


@pytest.mark.parametrize(
    ("source", "title", "markdown", "keys"),
    [
        ("+++\ntitle = 'Toml'\n+++\nBody", "Toml", "Body", {"title"}),
        ("Intro\n\n# The *first*\n\nBody\n\n# Second", "The first", "Intro\n\n\nBody\n\n# Second", set()),
        ("Under\n=====\nBody", "Under", "Body", set()),
        ("No heading", "file", "No heading", set()),
        ("---\ntitle: Other\n---\n# Kept\n\nBody", "Other", "# Kept\n\nBody", {"title"}),
        ("---\na: [broken\n---\nBody", "file", "---\na: [broken\n---\nBody", set()),
        ("---\n\nA rule first\n\n---\n\nBody", "file", "---\n\nA rule first\n\n---\n\nBody", set()),
        ("---\ndate: 2021-99-99\n---\nBody", "file", "---\ndate: 2021-99-99\n---\nBody", set()),
        ("", "file", "", set()),
    ],
)
def test_markdown_titles_and_broken_front_matter(source: str, title: str, markdown: str, keys: set[str]) -> None:
    found = extract_markdown(source, fallback_title="file")
    assert found.title == title
    assert found.extracted.markdown == markdown
    assert set(found.metadata) == keys


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("plain", "a.md", True), ("plain", "A.MARKDOWN", True), ("plain "
        "words", "a.txt", False), (ARTICLE, "a.txt", False),
        (FRONT, "a.txt", True), ("# Head\n\nA "
        "[link](https://x.example)", "a", True), ("- a\n- b\n", "a.txt", False),
        ("Price is 3 * 4 * 5, see [1] and (2)", "a.txt", False),
    ],
)  # fmt: skip
def test_looks_like_markdown(text: str, name: str, expected: bool) -> None:
    assert looks_like_markdown(text, name) is expected
