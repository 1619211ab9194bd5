"""Signatures that estimate how much two texts share, and the view that finds near duplicates by them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from documents import row, table
from lakes import query

from warehouse.catalog import publish
from warehouse.commit import commit_documents
from warehouse.lake import Lake
from warehouse.signatures import PLACES, signature
from warehouse.upkeep import compact

WORDS = [f"w{number}" for number in range(5000)]


def text(seed: int, size: int = 600) -> list[str]:
    return random.Random(seed).choices(WORDS, k=size)


def changed(words: list[str], share: float, seed: int = 0) -> list[str]:
    dice = random.Random(seed)
    return [dice.choice(WORDS) if dice.random() < share else word for word in words]


def similarity(one: list[int], other: list[int]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / PLACES


def jaccard(one: list[str], other: list[str]) -> float:
    runs = [{tuple(words[n : n + 4]) for n in range(len(words) - 3)} for words in (one, other)]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.1, 0.3, 1.0])
def test_the_estimate_is_near_the_truth(share: float) -> None:
    errors = []
    for seed in range(40):
        one = text(seed)
        other = changed(one, share, seed)
        errors.append(similarity(signature(" ".join(one)), signature(" ".join(other))) - jaccard(one, other))
    assert abs(sum(errors) / len(errors)) < 0.03
    assert max(map(abs, errors)) < 0.25


def test_case_marks_and_spaces_do_not_count() -> None:
    words = text(1, 40)
    assert signature(" ".join(words)) == signature(",\n".join(words).upper() + "!")
    assert len(signature(" ".join(words))) == PLACES


def test_short_texts_have_none_and_scripts_without_spaces_do() -> None:
    assert signature("a caption of a picture") == []
    dice = random.Random(2)
    chinese = "".join(chr(dice.randrange(0x4E00, 0x5500)) for _ in range(300))
    assert len(signature(chinese)) == PLACES
    assert similarity(signature(chinese), signature(chinese[:290] + "".join(reversed(chinese[:10])))) > 0.7
    # A lone surrogate is no reason to fail.
    assert len(signature(" ".join(f"w{number}\ud800x" for number in range(30)))) == PLACES


@pytest.fixture
def published(lake: Lake) -> Lake:
    """Documents of two sites: copies, near copies, and others; and one whose text became a copy later."""
    original = text(1)
    commit_documents(
        lake,
        table(
            row(1, " ".join(original)),
            row(2, " ".join(changed(original, 0.02))),
            row(3, " ".join(text(9))),
            row(4, "A short one."),
            row(5, " ".join(original), site="other.example"),
            row(6, " ".join(text(6))),
        ),
    )
    commit_documents(lake, table(row(6, " ".join(original))))
    compact(lake, "documents")
    publish(lake)
    return lake


def test_near_duplicates_are_found_within_and_across_sites(published: Lake) -> None:
    pairs = {
        (r["site"], r["id"], r["other_site"], r["other_id"]): r
        for r in query(published.root, "SELECT * FROM near_duplicates")
    }
    org, other = "example.org", "other.example"
    assert set(pairs) == {
        (org, "1", org, "2"), (org, "1", org, "6"), (org, "2", org, "6"), (org, "1", other, "5"), (org, "2", other, "5"),
        (org, "6", other, "5"),
    }  # fmt: skip
    exact = pairs[org, "1", other, "5"]
    assert exact["similarity"] == 1.0 and not exact["is_same_site"] and exact["other_title"] == "Title 5"
    assert 0.7 < pairs[org, "1", org, "2"]["similarity"] < 1.0


def test_a_crowd_of_copies_makes_no_square_of_pairs(lake: Lake) -> None:
    commit_documents(lake, table(*(row(number, " ".join(text(1))) for number in range(200))))
    compact(lake, "documents")
    publish(lake)
    assert query(lake.root, "SELECT count(*) AS n FROM near_duplicates") == [{"n": 199}]


def test_signatures_are_made_once(published: Lake) -> None:
    files = {path.name for path in Path(published.root, "documents").rglob("merged-*.parquet")}
    compact(published, "documents")
    assert {path.name for path in Path(published.root, "documents").rglob("merged-*.parquet")} == files
    signed = query(published.root, "SELECT id, len(minhash) AS n FROM documents ORDER BY id")
    assert [(r["id"], r["n"]) for r in signed] == [("1", 64), ("2", 64), ("3", 64), ("4", 0), ("5", 64), ("6", 64)]
