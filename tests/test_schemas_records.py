"""What travels: rows that fit their tables, counts that add up."""

import hashlib
import pickle
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Counts, RawRecord, Rejection
from schemas.rules import validate
from schemas.tables import TABLES

NOW = datetime(2026, 5, 1, tzinfo=UTC)
RECORD = RawRecord(
    "h.example",
    "post",
    "7",
    b'{"id":7}',
    "rest",
    NOW,
    url="https://h.example/wp-json/wp/v2/posts/7",
    http_status=200,
    content_type="application/json",
    given_source="https://h.example",
    context={"zone": ("", 2)},
)
NUMBERS = st.integers(0, 10**6)


def test_a_record_is_a_row_of_raw() -> None:
    row = RECORD.row("r1")
    data, kept, errors = validate(TABLES["raw"], [row])
    assert (kept, errors) == ([0], {})
    assert set(row) == set(TABLES["raw"].schema().names)
    assert data.column("payload").to_pylist() == [b'{"id":7}']
    assert row["raw_sha256"] == hashlib.sha256(b'{"id":7}').hexdigest()


def test_a_rejection_is_a_row_of_quarantine_with_the_records_bytes() -> None:
    rejection = Rejection.of(RECORD, "wrong_type", "The title is a number.", "documents.title.type")
    row = rejection.row("r1", NOW)
    _, kept, errors = validate(TABLES["quarantine"], [row])
    assert (kept, errors) == ([0], {})
    assert set(row) == set(TABLES["quarantine"].schema().names)
    assert (row["payload"], row["raw_sha256"], row["url"]) == (RECORD.payload, RECORD.sha256, RECORD.url)
    assert (row["site"], row["kind"], row["id"], row["_source"]) == (
        "h.example",
        "post",
        "7",
        "https://h.example",
    )


def test_a_rejection_of_unreadable_bytes_has_no_hash() -> None:
    row = Rejection("s", "document", "a.txt", "unreadable_file", "No.", "file").row("r1", NOW)
    assert (row["payload"], row["raw_sha256"]) == (None, None)
    assert validate(TABLES["quarantine"], [row])[2] == {}


def test_a_record_crosses_a_process_boundary_whole() -> None:
    assert RECORD.sha256
    copy = pickle.loads(pickle.dumps(RECORD))
    assert copy == RECORD
    assert copy.row("r") == RECORD.row("r")


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_counts_hold_every_record(new: int, changed: int, unchanged: int, rejected: int) -> None:
    total = new + changed + unchanged + rejected
    counts = Counts(total, new, changed, unchanged, rejected)
    assert counts + Counts() == counts
    assert (counts + counts).fetched == 2 * total
    for wrong in (total - 1, total + 1):
        with pytest.raises(AssertionError, match="do not add up"):
            Counts(wrong, new, changed, unchanged, rejected)


def test_what_stood_around_a_record_is_kept_as_json() -> None:
    assert replace(RECORD, context={}).row("r")["context"] is None
    around = replace(RECORD, context={"zone": ["Köln", None], "header": RECORD}).row("r")["context"]
    assert around == '{"zone":["Köln",null],"header":"' + RECORD.sha256 + '"}'
