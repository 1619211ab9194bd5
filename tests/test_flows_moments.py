"""Dates and zones that a site may write: read or left out, never an error."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.rows.moments import moment, naive, zone

ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.none(), max_size=1)
DATES = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31, 23, 59, 59))
WRITTEN = DATES.map(lambda date: date.replace(microsecond=0).isoformat())


@settings(derandomize=True, max_examples=150, deadline=None)
@given(ODD | WRITTEN, ODD | WRITTEN, ODD | st.sampled_from(["Europe/Berlin", "America", "../x"]), ODD)
def test_any_pair_is_read_or_left_out(gmt: object, local: object, name: object, offset: object) -> None:
    found, quality = moment(gmt, local, zone(name, offset))
    assert quality in {"ok", "local_time", "missing", "implausible"}
    assert (found is None) == (quality in {"missing", "implausible"})
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize("gmt", [None, "9999-12-31T23:59:59"])
def test_the_last_second_of_all_is_no_error_west_of_greenwich(gmt: str | None) -> None:
    west = timezone(timedelta(hours=-5))
    assert moment(gmt, "9999-12-31T23:59:59", west)[1] in {"ok", "implausible"}


def test_an_offset_beyond_all_numbers_is_no_zone() -> None:
    assert zone(None, 10**400) is None


@settings(derandomize=True, max_examples=100, deadline=None)
@given(DATES.map(lambda date: date.replace(microsecond=0)))
def test_a_date_is_read_as_it_was_written(date: datetime) -> None:
    assert naive(date.isoformat()) == date
