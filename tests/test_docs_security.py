"""The table of attacks names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_test_in_the_table_exists() -> None:
    rows = [row for row in (ROOT / "docs" / "security.md").read_text().splitlines() if row.startswith("| ")][1:]
    assert len(rows) > 15
    for row in rows:
        found = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row)
        assert found, row
        for file, name in found:
            assert f"\ndef {name}(" in (ROOT / "tests" / file).read_text(), (file, name)
