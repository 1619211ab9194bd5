"""A lake against a model of it: whatever comes, in whatever portions and however often, the same is known in the end.

The model is written from what ``schemas.keys.supersedes`` promises, not from how the lake keeps it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.compute as pc
import pytest
from documents import row, table
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.keys import entity_state, public_count_id, site_bucket, turn_id
from schemas.rules import validate
from schemas.tables import TABLES
from warehouse.commit import commit_documents, commit_entities, mark
from warehouse.lake import Lake

pytestmark = pytest.mark.usefixtures("many_lakes")

SITE = "example.org"
# Later than any commit of a test, so that no state counts as read before the newest one became known.
READ = datetime(2100, 1, 1, tzinfo=UTC)
EDITED = datetime(2020, 1, 1, tzinfo=UTC)

Told = tuple[str, str, int]
"""A document's id, its text, and when it was edited (hours)."""
TOLD = st.tuples(st.sampled_from("123"), st.sampled_from(["one", "two", "three"]), st.integers(0, 5))
STORIES = st.lists(TOLD, min_size=1, max_size=9)
CHUNKS = st.lists(st.integers(1, 4), min_size=9, max_size=9)
few = settings(max_examples=12, deadline=None, derandomize=True)


def rows(story: Sequence[Told], source: str) -> list[dict[str, Any]]:
    """Return a row for each state, read one after the other."""
    return [
        row(
            id_, text, source=source, valid_from=READ + timedelta(seconds=n), modified_at=EDITED + timedelta(hours=hour)
        )
        for n, (id_, text, hour) in enumerate(story)
    ]


def told(story: Sequence[dict[str, Any]], sizes: Sequence[int]) -> Lake:
    """Return a lake that was told the rows in portions of these sizes."""
    lake = Lake.open(tempfile.mkdtemp(), create=True)
    left = list(story)
    for size in [*sizes, len(left)]:
        portion, left = left[:size], left[size:]
        if portion:
            commit_documents(lake, table(*portion))
    return lake


def versions(lake: Lake) -> dict[str, list[tuple[int, datetime, str, datetime]]]:
    """Return number, beginning, text and time of edit of every version, by id."""
    data = lake.table("documents").to_pyarrow_table().sort_by([("id", "ascending"), ("document_version", "ascending")])
    found: dict[str, list[tuple[int, datetime, str, datetime]]] = {}
    for each in data.select(["id", "document_version", "valid_from", "text", "modified_at"]).to_pylist():
        found.setdefault(each.pop("id"), []).append(tuple(each.values()))
    return found


def states(lake: Lake) -> dict[str, list[tuple[str, datetime]]]:
    """Return text and time of edit of every version, by id."""
    return {id_: [version[2:] for version in known] for id_, known in versions(lake).items()}


@few
@given(STORIES, CHUNKS)
def test_what_a_site_shows_becomes_the_same_versions_in_any_portions(story: list[Told], sizes: list[int]) -> None:
    expected: dict[str, list[tuple[str, datetime]]] = {}
    for id_, text, hour in story:
        state = (text, EDITED + timedelta(hours=hour))
        known = expected.setdefault(id_, [])
        if not known or known[-1] != state:
            known.append(state)
    made = rows(story, "rest")
    assert states(told(made, sizes)) == states(told(made, [])) == expected


@few
@given(st.permutations([("1", "one", 0), ("1", "two", 1), ("2", "one", 2), ("1", "three", 3), ("2", "two", 4)]), CHUNKS)
def test_of_dated_saved_states_the_newest_stands_in_any_order(story: list[Told], sizes: list[int]) -> None:
    newest = {id_: known[-1] for id_, known in states(told(rows(story, "file"), sizes)).items()}
    assert newest == {
        "1": ("three", EDITED + timedelta(hours=3)), "2": ("two", EDITED + timedelta(hours=4)),
    }  # fmt: skip


@few
@given(STORIES, CHUNKS)
def test_told_twice_is_told_once_and_versions_follow_one_another(story: list[Told], sizes: list[int]) -> None:
    last = {id_: (id_, text, hour) for id_, text, hour in story}
    made = rows(story, "rest")
    lake = told(made, sizes)
    before = versions(lake)
    again = [made[max(n for n, each in enumerate(story) if each[0] == id_)] for id_ in last]
    assert commit_documents(lake, table(*again)).count("unchanged") == len(again)
    assert versions(lake) == before
    for known in before.values():
        numbers, beginnings = [version[0] for version in known], [version[1] for version in known]
        assert numbers == list(range(1, len(known) + 1))
        assert all(earlier < later for earlier, later in zip(beginnings, beginnings[1:], strict=False))
    assert mark(lake, public_count_id(SITE, "post")) == len(before)
    assert pc.count_distinct(lake.table("documents").to_pyarrow_table().column("site")).as_py() == 1


# Sources rank by what they can tell; of equal rank the last told stands.
_RANKS = ("feed", "wxr", "file", "rest")
ENTITY = st.tuples(st.sampled_from("12"), st.sampled_from(["Tea", "Toast"]), st.sampled_from(_RANKS))


def entities(name: str, story: Sequence[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Return a row for each thing told of an entity: (id, what it is called, source)."""
    called = "title" if name == "media" else "name"
    more = {"taxonomy": "category"} if name == "terms" else {}
    made = [
        {"site_bucket": site_bucket(SITE), "site": SITE, "id": id_, called: said, "source": source, "_run_id": "r",
         "_ingested_at": READ, **more}
        for id_, said, source in story
    ]  # fmt: skip
    return [each | {"_state_sha256": entity_state(TABLES[name], each)} for each in made]


def entities_told(name: str, told: Sequence[dict[str, Any]], sizes: Sequence[int]) -> Lake:
    lake = Lake.open(tempfile.mkdtemp(), create=True)
    left = list(told)
    for size in [*sizes, len(left)]:
        portion, left = left[:size], left[size:]
        if portion:
            commit_entities(lake, name, validate(TABLES[name], portion)[0])
    return lake


def current(lake: Lake, name: str) -> dict[str, tuple[str, str]]:
    rows = lake.table(name).to_pyarrow_table().to_pylist()
    found = {each["id"]: (each.get("name") or each.get("title"), each["source"]) for each in rows}
    assert len(found) == len(rows)
    return found


@few
@given(st.sampled_from(["authors", "terms", "media"]), st.lists(ENTITY, min_size=1, max_size=7), st.data())
def test_what_is_told_of_entities_is_the_same_in_any_order_and_portions(
    name: str, story: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    # What sources of one rank say of an entity is one thing: between two there is an order only in time.
    said = {(id_, source): what for id_, what, source in story}
    story = [(id_, said[id_, source], source) for id_, _, source in story]
    expected: dict[str, str] = {}
    for id_, _, source in story:
        expected[id_] = max(expected.get(id_, "feed"), source, key=_RANKS.index)
    shuffled = data.draw(st.permutations(story))
    # In one portion the last row counts, so each is told by itself; any portions hold one row of each entity.
    lake = entities_told(name, entities(name, shuffled), [1] * len(story))
    found = current(lake, name)
    assert {id_: what for id_, (what, _) in found.items()} == {id_: said[id_, s] for id_, s in expected.items()}


@few
@given(st.sampled_from(["authors", "terms", "media"]), st.lists(ENTITY, min_size=1, max_size=7), CHUNKS)
def test_entities_told_twice_are_told_once(name: str, story: list[tuple[str, str, str]], sizes: list[int]) -> None:
    # Of one source, as the records of one are: the last word of each entity stands, in any portions.
    made = entities(name, [(id_, what, "rest") for id_, what, _ in story])
    lake = entities_told(name, made, sizes)
    assert current(lake, name) == {id_: (what, "rest") for id_, what, _ in story}
    version, turn = lake.table(name).version(), mark(lake, turn_id(SITE), name)
    assert turn == version
    last = {each["id"]: each for each in made}
    again = commit_entities(lake, name, validate(TABLES[name], list(last.values()))[0])
    assert again.count("unchanged") == len(last)
    assert lake.table(name).version() == version and mark(lake, turn_id(SITE), name) == turn
