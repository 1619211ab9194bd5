"""Other engines read the same lake, and what they append is read here; docs/engines.md says how, and is run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from lakes import ingested, query
from older_duckdb import VERSION, older_duckdb

from flows.settings import Settings
from schemas.keys import site_bucket
from schemas.tables import TABLES
from warehouse.catalog import publish
from warehouse.integrity import check
from warehouse.lake import Lake
from warehouse.upkeep import compact, vacuum

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "engines.md").read_text()
BLOCKS = re.findall(r"## ([^\n]+)\n|```(python|sql)\n(.*?)```", PAGE, re.DOTALL)
CURRENT = "SELECT site, kind, id, text FROM documents ORDER BY site, kind, id"


def blocks(section: str, language: str) -> list[str]:
    """Return the code blocks of a section of the page."""
    found, inside = [], False
    for heading, kind, code in BLOCKS:
        inside = heading == section if heading else inside
        if inside and kind == language:
            found.append(code)
    return found


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of real documents with history; a folder that holds it as ``lake``."""
    folder = tmp_path_factory.mktemp("engines")
    settings = Settings(lake=str(folder / "lake"), workers=1)
    notes = folder / "notes"
    notes.mkdir()
    for text in ("Ebb.", "Flow — Flüß, 潮."):
        for number in range(3):
            (notes / f"{number}.txt").write_text(f"Note {number}\n\n{text if number else 'Still.'}\n")
        ingested(settings, str(notes), str(ROOT / "examples"))
    return folder


@pytest.fixture
def copy(filled: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to write to."""
    shutil.copytree(filled / "lake", tmp_path / "lake")
    publish(Lake.open(str(tmp_path / "lake")))
    return tmp_path


def ours(folder: Path) -> tuple[dict[str, int], list[tuple[str, ...]]]:
    """Return the rows of each table, and the current documents, by presslake's own views."""
    counts = {name: query(folder / "lake", f"SELECT count(*) AS n FROM lake.{name}")[0]["n"] for name in TABLES}
    return counts, [tuple(row.values()) for row in query(folder / "lake", CURRENT)]


def run(code: str, folder: Path) -> str:
    """Run a block of the page in a folder."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "POLARS_FMT_MAX_ROWS": "2"}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_polars_reads_what_we_read(filled: Path) -> None:
    counts, current = ours(filled)
    assert counts["documents"] > len(current) > 20, "there is history to tell apart"
    for name, count in counts.items():
        assert pl.scan_delta(f"{filled}/lake/{name}").select(pl.len()).collect().item() == count
    code = blocks("Polars", "python")[0]
    rows = run(code.replace(".collect())", ".collect().write_json())"), filled)
    assert [tuple(row.values()) for row in json.loads(rows)] == current


def test_duckdbs_own_delta_reader_reads_what_we_read(filled: Path) -> None:
    counts, current = ours(filled)
    for name, count in counts.items():
        assert older_duckdb(f"SELECT count(*) FROM delta_scan('{filled}/lake/{name}')", extensions=("delta",)) == [
            [count]
        ]
    (sql,) = blocks("DuckDB's Delta reader", "sql")
    rows = older_duckdb(sql.replace("'lake/", f"'{filled}/lake/"), extensions=("delta",))
    assert [tuple(row) for row in rows] == current


def test_pyarrow_reads_what_we_read(filled: Path) -> None:
    counts, _ = ours(filled)
    deleted = query(filled / "lake", "SELECT count(*) AS n FROM lake.documents WHERE deleted_at IS NOT NULL")[0]["n"]
    (code,) = blocks("PyArrow", "python")
    assert int(run(code, filled)) == counts["documents"] - deleted


def test_what_polars_appends_is_a_document_here(copy: Path) -> None:
    _, reading, *_ = blocks("Polars", "python")
    bucket = run(blocks("Polars", "python")[2], copy).strip()
    assert bucket == site_bucket("notes.example") and f'"site_bucket": "{bucket}"' in reading
    before, _ = ours(copy)
    run(reading, copy)
    lake = Lake.open(str(copy / "lake"), create=True)
    publish(lake)
    after, current = ours(copy)
    assert after == before | {"documents": before["documents"] + 1, "raw": before["raw"] + 1}
    assert ("notes.example", "post", "1", "Written by another engine.") in current
    assert not [finding for finding in check(lake) if finding.broken]
    # Merged with ours, its files become like ours.
    for name in ("raw", "documents"):
        compact(lake, name)
        vacuum(lake, name, 0)
    publish(lake)
    assert ours(copy) == (after, current)
    assert not [finding for finding in check(lake) if finding.broken]


def test_a_site_that_another_engine_began_goes_on_here(copy: Path) -> None:
    run(blocks("Polars", "python")[1], copy)
    source = copy / "posts.json"
    source.write_text(
        '[{"id": 1, "type": "post", "link": "https://notes.example/1/", "title": {"rendered": "A note"},'
        ' "date_gmt": "2040-01-01T00:00:00", "modified_gmt": "2040-01-01T00:00:00", "status": "publish",'
        ' "content": {"rendered": "<p>Written by us.</p>"}}]'
    )
    ingested(Settings(lake=str(copy / "lake"), workers=1), str(source))
    rows = query(
        copy / "lake", "SELECT document_version, text FROM document_versions WHERE site = 'notes.example' ORDER BY 1"
    )
    assert [tuple(row.values()) for row in rows] == [(1, "Written by another engine."), (2, "Written by us.")]


def test_the_page_names_the_versions_that_were_tested() -> None:
    for package in ("polars", "deltalake"):
        assert f"{package} {version(package)}" in PAGE.lower(), "say it anew: docs/engines.md"
    assert PAGE.count(f"DuckDB {VERSION}") == 2
    major, minor, _ = version("pyarrow").split(".")
    assert f"PyArrow {major}.{minor}" in PAGE and "DuckDB " + ".".join(version("duckdb").split(".")[:2]) in PAGE
