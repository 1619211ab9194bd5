"""A lake in an object store: the same promises as in a folder, against a server of the S3 protocol."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from documents import row, table
from lakes import query
from older_duckdb import older_duckdb
from s3_server import BUCKET, s3_server

from schemas.errors import LakeError
from warehouse import mirror
from warehouse.catalog import catalog_path, publish
from warehouse.commit import commit_documents
from warehouse.integrity import check
from warehouse.lake import Lake
from warehouse.purge import Target, find, purge
from warehouse.query import connect, run_query
from warehouse.stores import OPTIONS, StoreHandler, cause
from warehouse.upkeep import compact, vacuum
from warehouse.words import index

ROOT = Path(__file__).resolve().parents[1]
SECRET = "unforgettable-heron"


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with s3_server() as settings:
        yield settings


@pytest.fixture
def url(server: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of a lake that nobody made yet; the environment leads to its server."""
    for name in list(os.environ):
        if name.startswith("AWS_") and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"s3://{BUCKET}/{tmp_path.name}/lake"


def presslake(*command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command as people do."""
    run = [sys.executable, "-c", "import sys; from flows.cli import main; sys.exit(main())", *command]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert done.returncode == code, done.stderr
    return done


def broken(lake: Lake) -> list[str]:
    """Return the checks that fail; rows of these tests were made of no record."""
    return [f.check for f in check(lake) if f.broken and f.check != "documents_have_their_raw"]


def objects(url: str) -> dict[str, bytes]:
    """Return everything that the store holds below an address."""
    store = pafs.PyFileSystem(StoreHandler(url, OPTIONS))
    entries = store.get_file_info(pafs.FileSelector("", recursive=True))
    files = [entry.path for entry in entries if entry.type == pafs.FileType.File]
    return {path: store.open_input_file(path).read() for path in files}


def test_every_command_works_on_a_lake_in_an_object_store(url: str, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(3):
        (notes / f"{number}.txt").write_text(f"Note {number}\n\nThe harbour, seen {number} times.\n")
    first = json.loads(presslake("ingest", str(notes), "--lake", url, "--json").stdout)
    assert [(s["site"], s["new"]) for s in first["streams"]] == [("notes", 3)]

    before = objects(url)
    again = json.loads(presslake("ingest", str(notes), "--lake", url, "--json").stdout)
    assert [(s["new"], s["changed"], s["unchanged"]) for s in again["streams"]] == [(0, 0, 3)]
    added = {path.split("/")[0] for path in objects(url).keys() - before.keys()}
    assert added == {"runs"}, "a rerun writes its ledger and nothing else"

    (notes / "1.txt").write_text("Note 1\n\nThe harbour, closed.\n")
    presslake("ingest", str(notes), "--lake", url)
    sql = "SELECT id, text FROM documents WHERE text LIKE '%closed%'"
    assert json.loads(presslake("sql", sql, "--lake", url, "--format", "json").stdout) == [
        {"id": "1.txt", "text": "The harbour, closed."}
    ]
    assert json.loads(presslake("status", "--lake", url, "--json").stdout)[0]["documents"] == 3
    presslake("export", "--lake", url, "--format", "jsonl", "-o", str(tmp_path / "out.jsonl"))
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3
    assert str(tmp_path / "cache") in presslake("publish", "--lake", url).stdout
    kept = json.loads(presslake("maintain", "--lake", url, "--keep-days", "0", "--json").stdout)
    merged = {done["table"]: done for done in kept}["documents"]
    assert (merged["files_before"], merged["files_after"]) == (2, 1) and merged["removed"] >= 2
    assert json.loads(presslake("check", "--lake", url, "--json").stdout)["ok"]
    presslake("purge", "--site", "notes", "--lake", url, "--yes")
    assert json.loads(presslake("sql", "FROM documents_all", "--lake", url, "--format", "json").stdout) == []
    presslake("check", "--lake", url)
    assert not list(Path.cwd().glob("catalog.duckdb*")), "nothing is left in the working folder"


def _write(url: str, writer: int, batches: int) -> Counter[str]:
    """Commit batches; return how often each fate met the document that both writers write."""
    lake, fates = Lake.open(url), Counter[str]()
    for number in range(batches):
        mine = [row(f"{writer}-{number}-{n}") for n in range(3)]
        done = commit_documents(lake, table(*mine, row("shared", f"Writer {writer}, batch {number}.")))
        assert done.outcomes[:3] == ("new",) * 3
        fates[done.outcomes[3]] += 1
    return fates


def test_two_writers_of_one_site_lose_nothing(url: str) -> None:
    lake = Lake.open(url, create=True)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        fates = sum(pool.starmap(_write, [(url, 0, 5), (url, 1, 5)]), Counter())
    # What was fetched before the state that the other writer brought in meanwhile is no new state.
    assert fates["new"] == 1 and fates.total() == 10
    publish(lake)
    with connect(lake) as connection:
        pieces = run_query(connection, "SELECT id, document_version FROM document_versions").rows()
        rows = [row for piece in pieces for row in piece]
    count = Counter(id_ for id_, _ in rows)
    assert count.pop("shared") == 1 + fates["changed"]
    assert set(count.values()) == {1} and len(count) == 30
    versions = sorted(version for id_, version in rows if id_ == "shared")
    assert versions == list(range(1, 2 + fates["changed"]))
    assert not broken(lake)


def test_any_duckdb_reads_the_catalog_without_extension_or_network(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lake = Lake.open(url, create=True)
    commit_documents(lake, table(row(1), row(2)))
    publish(lake)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with duckdb.connect(str(catalog_path(lake)), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (2,)
    began = time.monotonic()
    assert "2" in presslake("sql", "SELECT count(*) AS n FROM documents", "--lake", url).stdout
    assert time.monotonic() - began < 5  # 0.3 s on a machine at rest; a look at the store would take 15
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert "on this machine" in presslake("sql", "FROM documents", "--lake", url, code=2).stderr


def test_a_duckdb_with_httpfs_reads_the_same_views_from_the_store_itself(url: str) -> None:
    lake = Lake.open(url, create=True)
    commit_documents(lake, table(row(1, "One."), row(2, "Two.")))
    commit_documents(lake, table(row(2, "Three.")))
    publish(lake)
    shutil.rmtree(lake.local)
    endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    rows = older_duckdb(
        f"CREATE SECRET (TYPE s3, KEY_ID 'writer', SECRET 'not-a-secret', ENDPOINT '{endpoint}', URL_STYLE 'path',"
        " USE_SSL false)",
        f"ATTACH '{url}/catalog.duckdb' AS articles (READ_ONLY)",
        f"SET VARIABLE lake_root = '{url}'",
        "SELECT id, text FROM articles.documents ORDER BY id",
        extensions=("httpfs",),
    )
    assert rows == [["1", "One."], ["2", "Three."]]


def test_a_mirror_fetches_each_file_once_and_drops_what_nothing_names(url: str) -> None:
    lake = Lake.open(url, create=True)
    for number in range(3):
        commit_documents(lake, table(row(number)))
    publish(lake)

    def fetched() -> int:
        return mirror.refresh(lake, {"documents": lake.table("documents")})

    def copies() -> list[Path]:
        return sorted((lake.local / "documents").rglob("*.parquet"))

    assert fetched() == 0 and len(copies()) == 3
    commit_documents(lake, table(row(4)))
    assert fetched() == 1
    compact(lake, "documents")
    publish(lake)
    assert len(copies()) == 5, "catalogs opened before find their files"
    (merged,) = (lake.local / path for path in _named(lake))
    for path in set(copies()) - {merged}:
        os.utime(path, (time.time() - 8 * 86400,) * 2)
    os.utime(merged, (time.time() - 30 * 86400,) * 2)
    publish(lake)
    assert copies() == [merged] and time.time() - merged.stat().st_mtime < 60
    merged.unlink()
    assert broken(lake) == ["catalog"]
    publish(lake)
    assert not broken(lake)


def test_an_index_of_words_serves_every_machine(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lake = Lake.open(url, create=True)
    commit_documents(lake, table(row(1, "An anchor.")))
    index(lake)
    publish(lake)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    publish(lake)
    assert not any("documents/" in name for name in _read_by(lake, "unindexed"))
    assert query(lake.local, "SELECT id FROM search('anchor')") == [{"id": "1"}]
    assert {name for name in _read_by(lake, "words") if name not in objects(url)} == set()


def _read_by(lake: Lake, view: str) -> list[str]:
    found = query(lake.local, f"SELECT sql FROM duckdb_views() WHERE schema_name = 'lake' AND view_name = '{view}'")
    return re.findall(r"'/([^']+\.parquet)'", found[0]["sql"])


def _named(lake: Lake) -> list[str]:
    from warehouse.rewrite import data_files

    return [f"documents/{path}" for path in data_files(lake.table("documents"))]


def test_a_file_cut_short_in_the_store_is_named(url: str) -> None:
    lake = Lake.open(url, create=True)
    commit_documents(lake, table(row(1), row(2)))
    (path,) = _named(lake)
    store = pafs.PyFileSystem(StoreHandler(url, OPTIONS))
    whole = store.open_input_file(path).read()
    with store.open_output_stream(path) as out:
        out.write(whole[:-100])
    (broken,) = [finding for finding in check(lake) if finding.broken]
    assert broken.check == "files" and path in broken.examples[0]
    with pytest.raises(LakeError, match="instead of"):
        publish(lake)
    assert not list(lake.local.rglob("*.parquet.*")), "nothing half fetched stays"


def test_a_takedown_reaches_every_object_and_every_copy(url: str) -> None:
    lake = Lake.open(url, create=True)
    commit_documents(lake, table(row(1, f"The {SECRET}.", url="https://example.org/1/"), row(2)))
    commit_documents(lake, table(row(1, f"The {SECRET}, again.", url="https://example.org/1/")))
    compact(lake, "documents")
    publish(lake)
    assert _holding(objects(url)) and _holding(_copies(lake))
    proof = purge(lake, find(lake, Target(url="https://example.org/1/")))
    assert proof.removed["documents"] == 2 and proof.searched_files and not proof.left
    assert not _holding(objects(url)) and not _holding(_copies(lake))
    with connect(lake) as connection:
        assert list(run_query(connection, "SELECT id FROM documents_all").rows()) == [[("2",)]]
    assert not broken(lake)


def _copies(lake: Lake) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in lake.local.rglob("*") if path.is_file()}


def _holding(files: dict[str, bytes]) -> list[str]:
    def told(path: str, data: bytes) -> str:
        is_table = path.endswith(".parquet") and "_delta_log" not in path
        return str(pq.read_table(pa.BufferReader(data)).to_pydict()) if is_table else ""

    return [path for path, data in files.items() if SECRET.encode() in data or SECRET in told(path, data)]


def test_vacuum_removes_old_objects(url: str) -> None:
    lake = Lake.open(url, create=True)
    for number in range(4):
        commit_documents(lake, table(row(number)))
    compact(lake, "documents")
    assert vacuum(lake, "documents", 0) == 4
    data = [path for path in objects(url) if path.startswith("documents/") and path.endswith(".parquet")]
    assert len(data) == 1


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _refused(*command: str) -> str:
    began = time.monotonic()
    (line,) = presslake(*command, code=1).stderr.splitlines()
    assert time.monotonic() - began < 30, "a store that fails is told at once"
    return line


def test_what_keeps_a_store_from_working_is_told_in_a_line(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, silent: str
) -> None:
    (tmp_path / "note.txt").write_text("A note\n\nIt is short.\n")
    ingest = ("ingest", str(tmp_path / "note.txt"), "--lake", url)
    line = _refused("ingest", str(tmp_path / "note.txt"), "--lake", "s3://no-such-bucket-here/lake")
    assert "there is no such bucket" in line and "mend the lake's address" in line
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        line = _refused(*ingest)
        assert "cannot be reached (http://127.0.0.1:1)" in line and "AWS_ENDPOINT_URL" in line
        patch.setenv("AWS_ENDPOINT_URL", silent)
        assert "cannot be reached" in _refused(*ingest)
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ALLOW_HTTP")
        assert "AWS_ALLOW_HTTP" in _refused("check", "--lake", url)
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        # Where a cloud would hand out credentials: nobody there.
        patch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
        line = _refused("check", "--lake", url)
        assert "no credentials were found" in line and "AWS_SECRET_ACCESS_KEY" in line


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Generic S3 error\n \x1b[31m↳\x1b[0m 403 Forbidden\n <Code>InvalidAccessKeyId</Code>", "refuses these"),
        ("Generic S3 error\n ↳ 301 Moved Permanently <Code>PermanentRedirect</Code>", "another region"),
        ("Generic S3 error\n ↳ one\n ↳ two\n ↳ three\n ↳ four", "Generic S3 error: one: two: three"),
        ("No space left on device\nmore", "No space left on device"),
    ],
)
def test_causes_are_found_in_a_chain_of_errors(text: str, why: str) -> None:
    assert why in cause(OSError(text))[0]
    assert "\n" not in cause(OSError(text))[0]
