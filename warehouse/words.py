"""The index of words that ``search`` reads: Parquet beside the lake's tables, so that no extension is needed.

Each data file of ``documents`` has two files of its own, named by it: ``words-…`` says how often each word stands in
title and text of each of its documents, sorted by word, so that a question reads the few row groups of its words;
``lengths-…`` says which document version that is and how long. Data files never change, so an index never does: upkeep
makes those that are missing, publishing names those that are there, and what has none yet is searched as it stands.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from schemas.columns import TIMESTAMP
from warehouse import mirror
from warehouse.lake import Lake, guarded
from warehouse.places import PUBLISHED
from warehouse.rewrite import data_files
from warehouse.shipped import quoted

WORDS = pa.schema([("term", pa.string()), ("doc", pa.int64()), ("in_title", pa.int32()), ("in_text", pa.int32())])
LENGTHS = pa.schema(
    [("doc", pa.int64()), ("site", pa.string()), ("kind", pa.string()), ("id", pa.string()),
     ("document_version", pa.int32()), ("published_at", TIMESTAMP), ("words_in_text", pa.int32()),
     ("bytes_in_title", pa.int64())]
)  # fmt: skip
FORMAT = 1
"""Part of the files' names: raised when a release cuts text into other words, so that all are made anew."""
# A question reads whole row groups, whose terms are sorted: small ones are read sooner, many cost more to look through.
_ROW_GROUP = 40_960
# Sorting and counting go to the disk beyond this.
_MEMORY = "400MB"
_LETTERS = r"\p{L}\p{M}\p{N}"
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LENGTHS = """
    SELECT
        {first} + file_row_number AS doc,
        site,
        kind,
        id,
        document_version,
        published_at,
        coalesce(word_count, 0)::INT AS words_in_text,
        strlen(title)::BIGINT AS bytes_in_title
    FROM read_parquet({file}, file_row_number = true)
    WHERE deleted_at IS NULL
"""
# The same cut as in macros/search.sql. Where a script sets no spaces, a word may begin at every letter, and four of
# them are kept: a longer one is asked for by its parts.
_TERMS = r"""
    WITH folded AS (
        SELECT
            {first} + file_row_number AS doc,
            unnest([
                {{'is_title': true, 'words': strip_accents(lower(title))}},
                {{'is_title': false, 'words': strip_accents(lower(text))}}
            ], recursive := true)
        FROM read_parquet({file}, file_row_number = true)
        WHERE deleted_at IS NULL
    ),
    cut AS (
        SELECT doc, is_title, unnest(regexp_extract_all(words, '[{letters}]+')) AS term
        FROM folded
        WHERE NOT regexp_matches(words, '[{spaceless}]')
        UNION ALL
        SELECT doc, is_title, unnest(CASE
            WHEN regexp_matches(word, '^[{spaceless}]') THEN [substr(word, n, 4) FOR n IN range(1, length(word) + 1)]
            ELSE [word]
        END)
        FROM (
            SELECT doc, is_title, unnest(regexp_extract_all(
                regexp_replace(words, '([{spaceless}]+)', ' \1 ', 'g'), '[{letters}]+'
            )) AS word
            FROM folded
            WHERE regexp_matches(words, '[{spaceless}]')
        )
    )
    SELECT
        left(term, 64) AS term,
        doc,
        count(*) FILTER (WHERE is_title)::INT AS in_title,
        count(*) FILTER (WHERE NOT is_title)::INT AS in_text
    FROM cut
    GROUP BY ALL
    ORDER BY ALL
"""

# What search.sql is made with: the words of a query, at most eight of them looked up, and how often documents hold one.
# The bounds are constants by the time the files are read, so row groups of other words are not. To compile a pattern of
# all letters takes milliseconds, many times in a question: where the query is plain ASCII a small one does.
_MACROS = r"""
    CREATE MACRO lake.query_words(query) AS list_sort(list_distinct(regexp_extract_all(
        regexp_replace(
            strip_accents(lower(query)),
            CASE WHEN strlen(query) = length(query) THEN '(\x00)' ELSE '([{spaceless}]+)' END, ' \1 ', 'g'
        ),
        CASE WHEN strlen(query) = length(query) THEN '[a-z0-9]+' ELSE '[{spaceless}]{{1,4}}|[{letters}]+' END
    )));
    CREATE MACRO lake.postings(query, place) AS TABLE
        SELECT
            place AS place,
            doc,
            sum(CASE WHEN is_whole THEN in_title ELSE in_title / 2 END) AS in_title,
            sum(CASE WHEN is_whole THEN in_text ELSE in_text / 2 END) AS in_text
        FROM (
            SELECT
                doc,
                in_title,
                in_text,
                term = left(lake.query_words(query)[place], 64) 
                    OR regexp_matches(lake.query_words(query)[place], '^[{spaceless}]') AS is_whole
            FROM lake.words
            WHERE
                term >= left(lake.query_words(query)[place], 64)
                AND term < left(lake.query_words(query)[place], 64) || chr(1114111)
        )
        GROUP BY doc
"""


def macros() -> str:
    """Return the statements that make what ``search`` is made with."""
    return _MACROS.format(letters=_LETTERS, spaceless=_SPACELESS)


def index(lake: Lake) -> int:
    """Index the words of every data file of ``documents`` that is not yet; return how many were.

    Raises:
        LakeError: a file cannot be read, or there is no room for the index.
    """
    table = lake.table("documents")
    mirror.refresh(lake, {"documents": table})
    missing = [path for path in sorted(data_files(table)) if not _is_indexed(lake, path)]
    for path in missing:
        guarded(lambda: _index(lake, path), "index the words of documents")  # noqa: B023
    return len(missing)


def indexed(lake: Lake, documents: DeltaTable) -> tuple[list[str], list[str]]:
    """Return the data files of a snapshot whose words are indexed, and the others, each the largest first."""
    paths = list(data_files(documents))
    if lake.is_remote:
        # Another machine may have made what this one lacks.
        mirror.fetch_published(lake, {name for path in paths for name in names(path)})
    is_done = {path: _is_indexed(lake, path) for path in paths}
    return [path for path in paths if is_done[path]], [path for path in paths if not is_done[path]]


def names(path: str) -> tuple[str, str]:
    """Return the files that index a data file, relative to the lake's root: its words, and its documents' lengths."""
    stem = f"{_number(path):010x}-{FORMAT}.parquet"
    return f"{PUBLISHED}/words-{stem}", f"{PUBLISHED}/lengths-{stem}"


def _number(path: str) -> int:
    return int(hashlib.sha256(path.encode()).hexdigest()[:10], 16)


def _is_indexed(lake: Lake, path: str) -> bool:
    return all((lake.local / name).exists() for name in names(path))


def _index(lake: Lake, path: str) -> None:
    words, lengths = (lake.local / name for name in names(path))
    words.parent.mkdir(exist_ok=True)
    given = {
        "file": quoted(str(lake.local / "documents" / path)),
        # A document's number is unique in the lake: that of its file, then its row within.
        "first": (_number(path) >> 1) << 24, "letters": _LETTERS, "spaceless": _SPACELESS,
    }  # fmt: skip
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY,
        "temp_directory": str(words.parent),
        "preserve_insertion_order": False,
    }
    try:
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for target, sql in ((words, _TERMS), (lengths, _LENGTHS)):
                _save(connection, sql.format(**given), target)
    except duckdb.Error as error:
        raise OSError(str(error).splitlines()[0]) from error


def _save(connection: duckdb.DuckDBPyConnection, sql: str, target: Path) -> None:
    building = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(3)}")
    options = f"FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2, ROW_GROUP_SIZE {_ROW_GROUP}"
    try:
        connection.execute(f"COPY ({sql}) TO {quoted(str(building))} ({options})")
        os.replace(building, target)
    finally:
        building.unlink(missing_ok=True)
