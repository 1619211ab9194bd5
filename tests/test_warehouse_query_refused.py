"""What presslake sql refuses: everything that writes, and every way out of the lake. Nothing leaves a trace."""

from __future__ import annotations

import contextlib
import re
import select
import shutil
import socket
from pathlib import Path

import pytest
from test_warehouse_query import five_documents, tree

from schemas.errors import UsageError
from warehouse.lake import Lake
from warehouse.query import connect, run_query

SECRET = "marker-of-a-secret"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return five_documents(tmp_path_factory.mktemp("refused"))


WRITES = [
    ("INSERT INTO documents VALUES (1)", "INSERT"),
    ("UPDATE documents SET id = '1'", "UPDATE"),
    ("DELETE FROM documents", "DELETE"),
    ("TRUNCATE documents", "TRUNCATE"),
    ("CREATE TABLE t (a INT)", "CREATE"),
    ("CREATE TEMP TABLE t AS SELECT 1", "CREATE"),
    ("CREATE TABLE memory.main.t AS SELECT 1", "CREATE"),
    ("CREATE OR REPLACE VIEW documents AS SELECT 1", "CREATE"),
    ("CREATE MACRO f() AS 1", "CREATE"),
    ("CREATE SECRET s (TYPE s3)", "CREATE"),
    ("DROP VIEW documents", "DROP"),
    ("ALTER VIEW documents RENAME TO d", "ALTER"),
    ("COMMENT ON VIEW documents IS 'x'", "COMMENT"),
    ("ATTACH '{root}/x.duckdb'", "ATTACH"),
    ("DETACH catalog", "DETACH"),
    ("COPY (SELECT 1) TO '{root}/x.csv'", "COPY"),
    ("COPY documents TO '{root}/x.parquet' (FORMAT parquet)", "COPY"),
    ("copy documents from '{root}/x.csv'", "COPY"),
    ("EXPORT DATABASE '{root}/x'", "EXPORT"),
    ("IMPORT DATABASE '{root}/x'", "IMPORT"),
    ("INSTALL httpfs", "INSTALL"),
    ("LOAD httpfs", "LOAD"),
    ("SET threads = 1", "SET"),
    ("SET VARIABLE lake_root = '/etc'", "SET"),
    ("SET enable_external_access = true", "SET"),
    ("RESET lock_configuration", "RESET"),
    ("PRAGMA enable_profiling", "PRAGMA"),
    ("PRAGMA database_list", "PRAGMA"),
    ("CALL pragma_version()", "CALL"),
    ("USE memory", "USE"),
    ("CHECKPOINT", "CHECKPOINT"),
    ("FORCE CHECKPOINT", "FORCE"),
    ("VACUUM", "VACUUM"),
    ("ANALYZE", "ANALYZE"),
    ("PREPARE p AS SELECT 1", "PREPARE"),
    ("EXECUTE p", "EXECUTE"),
    ("DEALLOCATE p", "DEALLOCATE"),
    ("BEGIN", "BEGIN"),
    ("COMMIT", "COMMIT"),
    ("EXPLAIN INSERT INTO documents VALUES (1)", "INSERT"),
    ("EXPLAIN ANALYZE COPY (SELECT 1) TO '{root}/x.csv'", "COPY"),
    ("EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{root}/x.csv'", "COPY"),
    ("EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{root}/x.csv'", "COPY"),
    ("EXPLAIN /* ( */ ANALYZE -- )\n COPY (SELECT 'é') TO '{root}/x.csv'", "COPY"),
    ("EXPLAIN ANALYZE WITH t AS (COPY (SELECT 1) TO '{root}/x.csv') FROM t", "COPY"),
    ("WITH t AS (COPY (SELECT 1) TO '{root}/x.csv') FROM t", "COPY"),
    ("WITH a AS (SELECT 1), t AS (COPY (FROM a) TO '{root}/x.csv') SELECT * FROM t", "COPY"),
    ("WITH t AS (COPY (SELECT 1) TO '{root}/x.csv') PIVOT t ON Count IN (1) USING count(*)", "COPY"),
    ("WITH t AS (COPY (SELECT 1) TO '{root}/x.csv') PIVOT t ON Count USING count(*)", "COPY"),
    ("WITH t AS (INSERT INTO documents VALUES (1) RETURNING *) FROM t", "INSERT"),
    ("WITH t AS (DELETE FROM documents RETURNING *) FROM t", "DELETE"),
    ("SELECT (WITH t AS (COPY (SELECT 1) TO '{root}/x.csv') SELECT count(*) FROM t)", "COPY"),
    ("DESCRIBE (WITH t AS (COPY (SELECT 1) TO '{root}/x.csv') FROM t)", "COPY"),
    ("SELECT 1; DROP VIEW documents", "DROP"),
    ("DROP VIEW documents; SELECT 1", "DROP"),
    ("SELECT 1; COPY (SELECT 1) TO '{root}/x.csv'; SELECT 2", "COPY"),
    ("/* SELECT */ DROP VIEW documents", "DROP"),
    ("CREATE OR REPLACE PERSISTENT SECRET s (TYPE s3)", "CREATE"),
    ("CREATE FUNCTION f(a) AS a", "CREATE"),
    ("CREATE TEMP MACRO search(q) AS TABLE SELECT 1", "CREATE"),
    ("CREATE TYPE t AS ENUM ('a')", "CREATE"),
    ("CREATE SCHEMA s", "CREATE"),
    ("CREATE SEQUENCE s", "CREATE"),
    ("CREATE INDEX i ON documents(id)", "CREATE"),
    ("DROP SECRET s", "DROP"),
    ("DROP MACRO TABLE search", "DROP"),
    ("ALTER TABLE documents ADD COLUMN x INT", "ALTER"),
    ("MERGE INTO documents USING documents d ON true WHEN MATCHED THEN DELETE", "MERGE"),
    ("ATTACH ':memory:' AS m", "ATTACH"),
    ("ATTACH OR REPLACE '{root}/x.db' AS catalog", "ATTACH"),
    ("ATTACH IF NOT EXISTS 'md:x'", "ATTACH"),
    ("ATTACH 'http://127.0.0.1:9/x.db'", "ATTACH"),
    ("COPY FROM DATABASE catalog TO memory", "COPY"),
    ("COPY (SELECT 1) TO '/dev/stdout'", "COPY"),
    ("COPY (SELECT 1) TO '{root}/catalog.duckdb' (FORMAT csv)", "COPY"),
    ("EXPORT DATABASE '{root}/x' (FORMAT parquet)", "EXPORT"),
    ("INSTALL spatial FROM community", "INSTALL"),
    ("FORCE INSTALL httpfs", "FORCE"),
    ("UPDATE EXTENSIONS", "UPDATE"),
    ("LOAD '{root}/x.duckdb_extension'", "LOAD"),
    ("SET GLOBAL allow_community_extensions = true", "SET"),
    ("SET SESSION search_path = 'lake'", "SET"),
    ("SET allowed_directories = ['/']", "SET"),
    ("SET python_enable_replacements = true", "SET"),
    ("RESET SESSION TimeZone", "RESET"),
    ("PRAGMA memory_limit = '1GB'", "PRAGMA"),
    ("PRAGMA import_database('{root}')", "PRAGMA"),
    ("CALL enable_logging()", "CALL"),
    ("CALL query('SELECT 1')", "CALL"),
    ("ROLLBACK", "ROLLBACK"),
    ("START TRANSACTION", "START"),
    ("ABORT", "ABORT"),
    ("PREPARE p AS COPY (SELECT 1) TO '{root}/x.csv'", "PREPARE"),
    ("EXECUTE p(1)", "EXECUTE"),
    ("EXPLAIN ANALYZE PREPARE p AS SELECT 1", "PREPARE"),
    ("EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", "CREATE"),
    ("EXPLAIN ANALYZE SELECT 1; COPY (SELECT 1) TO '{root}/x.csv'", "COPY"),
    ("SELECT 1; SET VARIABLE lake_root = '/etc'; FROM documents", "SET"),
    ("SELECT 1;\nATTACH '{root}/x.duckdb';\nSELECT 2", "ATTACH"),
]

ESCAPES = [
    "FROM read_csv('/etc/passwd')",
    "FROM read_text('/etc/passwd')",
    "FROM read_blob('/etc/passwd')",
    "FROM read_json('/etc/passwd')",
    "FROM read_ndjson_objects('/etc/passwd')",
    "FROM read_parquet('/etc/passwd')",
    "FROM parquet_metadata('/etc/passwd')",
    "FROM parquet_schema('/etc/passwd')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM glob('/**')",
    "FROM glob('/etc/*')",
    "FROM glob('{root}/../*')",
    "FROM glob('{root}*')",
    "FROM '/etc/passwd'",
    "FROM '{outside}/secret.csv'",
    "FROM '{outside}/secret.parquet'",
    "FROM read_text('{root}/../outside/secret.csv')",
    "FROM read_text('{root}/documents/../../outside/secret.csv')",
    "FROM read_text('{root}/./../outside/secret.csv')",
    "FROM read_text('{root}//../outside/secret.csv')",
    "FROM read_text('file:{root}/../outside/secret.csv')",
    "FROM read_text('file://{root}/../outside/secret.csv')",
    "FROM read_text('file:///etc/passwd')",
    "FROM read_text(getvariable('lake_root') || '/../outside/secret.csv')",
    "FROM read_text(['{root}/catalog.duckdb', '/etc/passwd'])",
    "FROM read_text('{root}/way-out.csv')",
    "FROM read_text('{root}/way-out/secret.csv')",
    "FROM read_text('~/.bashrc')",
    "FROM read_text('secret.csv')",
    "FROM read_text('/proc/self/environ')",
    "FROM read_text('/dev/stdin')",
    "FROM read_csv('pipe:ls')",
    "FROM read_duckdb('{outside}/other.duckdb')",
    "FROM 'http://127.0.0.1:9/x.parquet'",
    "FROM read_csv('https://example.com/x.csv')",
    "FROM read_parquet('s3://bucket/x.parquet')",
    "FROM read_parquet('gcs://bucket/x.parquet')",
    "FROM read_parquet('hf://datasets/x/y.parquet')",
    "SELECT getenv('HOME')",
    "FROM duckdb_secrets()",
    "FROM duckdb_secrets",
    "FROM which_secret('s3://b', 's3')",
    "FROM duckdb_extensions()",
    "FROM query('SELECT 1')",
    "FROM system.main.query('SELECT 1')",
    "FROM \"QUERY\"('SELECT 1')",
    "FROM query('WITH t AS (COPY (SELECT 1) TO ''{root}/x.csv'') FROM t')",
    "FROM json_execute_serialized_sql(json_serialize_sql('WITH t AS (COPY (SELECT 1) TO ''{root}/x.csv'') FROM t'))",
    "FROM query_table('{outside}/secret.csv')",
    "FROM enable_logging(storage = 'file', storage_path = '{root}/log')",
    "FROM enable_profiling()",
    "FROM checkpoint()",
    "FROM force_checkpoint()",
    "FROM truncate_duckdb_logs()",
    "SELECT write_log('x')",
    "FROM create_external_resource('x')",
    "FROM python_map_function((SELECT 1))",
    "FROM arrow_scan(0, 0, 0)",
    "FROM sqlite_scan('{outside}/x.db', 't')",
    "FROM delta_scan('{outside}')",
    "FROM local_secret",
    "FROM (PIVOT (SELECT 1 AS a) ON a USING count(*)), json_execute_serialized_sql('x')",
    "FROM query_table('documents')",
    "FROM query_table(['documents', 'documents_all'])",
    "FROM histogram('{outside}/secret.csv', a)",
    "FROM read_text('{root}-beside/secret.csv')",
    "FROM read_text('{root}/way-*')",
    "FROM read_text('{root}/way-o*/secret.csv')",
    "FROM read_text('{root}/w?y-out/*')",
    "FROM read_csv('{root}/way-out/*.csv')",
    "FROM glob('{root}/way-out/*')",
    "FROM read_text('{root}/*/../../outside/*')",
    "FROM read_text('/proc/self/cwd/secret.csv')",
    "FROM read_text('/proc/self/fd/0')",
    "FROM read_csv_auto('{outside}/secret.csv')",
    "FROM read_json_auto('{outside}/secret.csv')",
    "FROM read_json_objects('{outside}/secret.csv')",
    "FROM read_ndjson('{outside}/secret.csv')",
    "FROM read_single_csv_file('{outside}/secret.csv')",
    "FROM read_single_json_file('{outside}/secret.csv')",
    "FROM read_single_parquet_file('{outside}/secret.csv')",
    "FROM parquet_scan('{outside}/secret.parquet')",
    "FROM parquet_kv_metadata('{outside}/secret.csv')",
    "FROM parquet_file_metadata('{outside}/secret.csv')",
    "FROM parquet_full_metadata('{outside}/secret.csv')",
    "FROM parquet_bloom_probe('{outside}/secret.csv', 'a', 1)",
    "SUMMARIZE FROM read_csv('{outside}/secret.csv')",
    "DESCRIBE FROM read_csv('{outside}/secret.csv')",
    "EXPLAIN ANALYZE FROM read_csv('{outside}/secret.csv')",
    "SELECT (SELECT content FROM read_text('{outside}/secret.csv'))",
    "SELECT 1; FROM read_text('{outside}/secret.csv')",
    "FROM seq_scan('documents')",
    "FROM python_arrow_scan(0, 0, 0)",
    "FROM register_external_resource('x', 'y')",
    "FROM postgres_scan('host=127.0.0.1', 'public', 't')",
    "FROM st_read('{outside}/secret.csv')",
    "SELECT http_get('http://127.0.0.1:9/')",
    "SELECT system('id')",
    "SELECT load_extension('x')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT 1 INTO OUTFILE '{root}/x.csv'",
    "SELECT * INTO t FROM documents",
    "SHOW SECRETS",
    "SELECT $1",
    "SELECT ?",
    ".shell id",
    ".read /etc/passwd",
    "SELECT 1;\n.shell id",
    "\\! id",
    # SQL as text, hidden where the statement has no tree to look at.
    "FROM {pivot}, query/*x*/({text})",
    "FROM {pivot}, query--x\n({text})",
    'FROM {pivot}, "Query"/*x*/({text})',
    "FROM {pivot}, json_execute_serialized_sql/*x*/(json_serialize_sql({text}))",
    'FROM {pivot}, "json_execute_serialized_sql" --x\n(json_serialize_sql({text}))',
    "FROM {pivot}, system.main.json_execute_serialized_sql/*x*/(json_serialize_sql({text}))",
    "EXPLAIN ANALYZE FROM {pivot}, json_execute_serialized_sql/*x*/(json_serialize_sql({text}))",
    "PIVOT (FROM json_execute_serialized_sql/*x*/(json_serialize_sql({text}))) ON Count USING count(*)",
    "SELECT * FROM {pivot} WHERE write_log/*x*/('x') IS NULL",
    "SUMMARIZE FROM query/*x*/({text})",
    "SUMMARIZE FROM json_execute_serialized_sql/*x*/(json_serialize_sql({text}))",
    "DESCRIBE FROM json_execute_serialized_sql/*x*/(json_serialize_sql({text}))",
    "SELECT (SELECT count(*) FROM json_execute_serialized_sql/*x*/(json_serialize_sql({text})))",
]
PIVOT = "(PIVOT (SELECT 1 AS a) ON a USING count(*))"
TEXT = "'WITH t AS (CO' || 'PY (SELECT 1) TO ''{root}/x.csv'') FROM t'"

# Every place of a statement that holds another one; @ is one that writes.
PLACES = """
    SELECT @; VALUES (@); SELECT [@]; SELECT {'a': @}; SELECT MAP {1: @}; SELECT EXISTS @; SELECT 1 IN @
    SELECT 1 = ANY @; SELECT ARRAY@; SELECT @::INT; SELECT -@; SELECT TRY(@); SELECT CASE WHEN @ > 0 THEN 1 END
    SELECT 1 ORDER BY @; SELECT 1 LIMIT @; SELECT 1 OFFSET @; SELECT 1 WHERE @ > 0; SELECT 1 HAVING @ > 0
    SELECT 1 GROUP BY @; SELECT 1 GROUP BY ROLLUP(@); SELECT 1 GROUP BY GROUPING SETS ((@)); SELECT 1 QUALIFY @ > 0
    SELECT DISTINCT ON (@) 1; SELECT sum(@); SELECT count(1) FILTER (WHERE @ > 0); SELECT lag(1, @) OVER ()
    SELECT sum(1) OVER (ORDER BY @); SELECT sum(1) OVER (PARTITION BY @); SELECT sum(1) OVER (ROWS @ PRECEDING)
    SELECT sum(1) OVER w WINDOW w AS (ORDER BY @); SELECT string_agg('a', 'b' ORDER BY @); SELECT @.abs()
    SELECT list_transform([1], lambda x: @); SELECT [x FOR x IN [1] IF @ > 0]; SELECT a[@] FROM (SELECT [1] AS a)
    SELECT unnest([@]); SELECT getvariable(@); SELECT COLUMNS(lambda c: @ > 0) FROM documents; SELECT @ COLLATE nocase
    FROM @; FROM @ SELECT 1; FROM range(@); FROM range(1, step := @); FROM unnest([@]); FROM as_of(@); FROM search(@)
    FROM read_csv('{root}/x', names = [@]); FROM range(3) AS a JOIN range(3) AS b ON @ > 0; FROM range(3), LATERAL @
    FROM @ POSITIONAL JOIN range(1); FROM range(1) AS a ASOF JOIN @ AS b ON true; FROM documents AT (VERSION => @)
    SELECT 1 UNION @; @ EXCEPT SELECT 1; WITH a AS MATERIALIZED @ FROM a; WITH a(b) AS (VALUES (@)) FROM a
    WITH RECURSIVE r AS (SELECT 1 UNION ALL @) FROM r; WITH RECURSIVE r(a) USING KEY (a) AS (SELECT 1 UNION @) FROM r
    PIVOT @ ON count; PIVOT @ ON count USING sum(1); PIVOT (SELECT 1 AS a) ON a USING sum(@); UNPIVOT @ ON COLUMNS(*)
    PIVOT (SELECT 1 AS a) ON a IN @; PIVOT (SELECT 1 AS a) ON @; FROM (SELECT 1 AS a) PIVOT (count(*) FOR a IN @)
    FROM (SELECT 1 AS a) UNPIVOT (v FOR n IN (a)) WHERE @ > 0; SUMMARIZE @; SUMMARIZE SELECT @; DESCRIBE @; SHOW @
    EXPLAIN @; EXPLAIN ANALYZE @; EXPLAIN ANALYZE SELECT @; EXPLAIN (ANALYZE, FORMAT json) @; SELECT 1 USING SAMPLE @ ROWS
"""
WRITER = "(WITH t AS (COPY (SELECT 1) TO '{root}/x.csv') SELECT count(*) FROM t)"

# Table functions and pragmas of this DuckDB that read nothing but the lake and what it says of itself, and write
# nothing. Those that open files are held by the sandbox, see above.
REVIEWED = """
    collations database_list database_size extension_versions functions metadata_info platform show show_databases
    show_tables show_tables_expanded storage_info table_info user_agent verify_parallelism version

    duckdb_approx_database_count duckdb_available_metrics duckdb_columns duckdb_connection_count duckdb_constraints
    duckdb_coordinate_systems duckdb_databases duckdb_dependencies duckdb_dialects duckdb_eviction_queues
    duckdb_extension_repositories duckdb_extensions duckdb_external_file_cache duckdb_functions
    duckdb_grammar_extensions duckdb_indexes duckdb_keywords duckdb_log_contexts duckdb_logs duckdb_logs_parsed
    duckdb_memory duckdb_optimizers duckdb_prepared_statements duckdb_profiling_settings duckdb_schemas
    duckdb_secret_type_parameters duckdb_secret_types duckdb_sequences duckdb_settings duckdb_table_sample
    duckdb_tables duckdb_temporary_files duckdb_triggers duckdb_types duckdb_variables duckdb_views
    pragma_collations pragma_database_size pragma_metadata_info pragma_platform pragma_show pragma_storage_info
    pragma_table_info pragma_user_agent pragma_version

    generate_series histogram histogram_values icu_calendar_names json_each json_tree pg_timezone_names range repeat
    repeat_row seq_scan summary test_all_types test_vector_types unnest as_of search postings

    glob parquet_bloom_probe parquet_file_metadata parquet_full_metadata parquet_kv_metadata parquet_metadata
    parquet_scan parquet_schema read_blob read_csv read_csv_auto read_duckdb read_json read_json_auto
    read_json_objects read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects read_parquet
    read_single_csv_file read_single_json_file read_single_parquet_file read_text sniff_csv
""".split()
# Scalar functions that DuckDB says do more than compute.
HARMLESS = """
    current_connection_id current_query current_query_id current_transaction_id currval error gen_random_uuid random
    setseed sleep_ms stats uuid uuidv4 uuidv7 vector_type
""".split()


@pytest.fixture(scope="module")
def besieged(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Path]:
    """A lake in a folder that holds other people's things too, with links that lead out of it."""
    folder = tmp_path_factory.mktemp("siege")
    shutil.copytree(lake.root, folder / "lake")
    (folder / "outside").mkdir()
    (folder / "outside" / "secret.csv").write_text(f"a,b\n1,{SECRET}\n")
    shutil.copytree(folder / "outside", folder / "lake-beside")
    (folder / "lake" / "way-out.csv").symlink_to(folder / "outside" / "secret.csv")
    (folder / "lake" / "way-out").symlink_to(folder / "outside")
    return Lake(str(folder / "lake")), folder


@pytest.mark.parametrize(("sql", "word"), WRITES)
def test_what_writes_is_refused_by_name(besieged: tuple[Lake, Path], sql: str, word: str) -> None:
    lake, folder = besieged
    before = tree(folder)
    with connect(lake) as connection, pytest.raises(UsageError) as refusal:
        list(run_query(connection, sql.replace("{root}", lake.root)).rows())
    assert refusal.value.message == f"presslake sql refuses {word}."
    assert "SELECT" in refusal.value.remedy
    assert tree(folder) == before


@pytest.mark.parametrize("place", [place.strip() for place in re.split(r";|\n", PLACES) if place.strip()])
def test_nothing_that_writes_hides_inside_a_statement_that_reads(besieged: tuple[Lake, Path], place: str) -> None:
    lake, folder = besieged
    before = tree(folder)
    sql = place.replace("@", WRITER).replace("{root}", lake.root)
    with connect(lake) as connection, pytest.raises(UsageError):
        list(run_query(connection, sql).rows())
    assert tree(folder) == before


@pytest.mark.parametrize("sql", ESCAPES)
def test_no_way_leads_out_of_the_lake(besieged: tuple[Lake, Path], sql: str) -> None:
    import pyarrow as pa

    local_secret = pa.table({"a": [1]})
    lake, folder = besieged
    before = tree(folder)
    sql = sql.replace("{pivot}", PIVOT).replace("{text}", TEXT)
    sql = sql.replace("{root}", lake.root).replace("{outside}", str(folder / "outside"))
    with connect(lake) as connection, pytest.raises(UsageError) as refusal:
        list(run_query(connection, sql).rows())
    assert "\n" not in str(refusal.value) and SECRET not in str(refusal.value)
    assert tree(folder) == before
    assert local_secret.num_rows


def test_files_of_the_lake_may_be_read(besieged: tuple[Lake, Path]) -> None:
    lake, _ = besieged
    with connect(lake) as connection:
        sql = f"SELECT count(*) FROM read_parquet('{lake.root}/documents/**/*.parquet')"
        assert list(run_query(connection, sql).rows()) == [[(5,)]]


def test_a_word_that_writes_may_be_text(besieged: tuple[Lake, Path]) -> None:
    lake, _ = besieged
    chosen = "SELECT kind FROM documents WHERE title <> 'copy or query'"
    with connect(lake) as connection:
        for sql in (chosen, f"PIVOT ({chosen}) ON kind IN ('post') USING count(*)", f"SUMMARIZE {chosen}"):
            assert list(run_query(connection, sql).rows())
        with pytest.raises(UsageError, match="names its values"):
            run_query(connection, f"PIVOT ({chosen}) ON kind USING count(*)")


def test_no_refusal_leaves_a_trace_in_the_connection(besieged: tuple[Lake, Path]) -> None:
    lake, _ = besieged
    with connect(lake) as connection:
        shown = "SELECT name, value FROM duckdb_settings() WHERE name NOT LIKE '%memory%' ORDER BY 1"
        before = [list(run_query(connection, sql).rows()) for sql in (shown, "FROM duckdb_variables()")]
        for sql in (*(sql for sql, _ in WRITES), *ESCAPES):
            with contextlib.suppress(UsageError):
                list(run_query(connection, sql.replace("{root}", lake.root)).rows())
        assert [list(run_query(connection, sql).rows()) for sql in (shown, "FROM duckdb_variables()")] == before
        assert list(run_query(connection, "SELECT count(*) FROM documents").rows()) == [[(5,)]]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_csv('http://{host}/x.csv')",
        "FROM read_text('http://{host}/x')",
        "FROM 'http://{host}/x.parquet'",
        "FROM read_parquet('s3://bucket/x.parquet', s3_endpoint = '{host}')",
        "FROM glob('http://{host}/*')",
        "FROM postgres_scan('host=127.0.0.1 port={port}', 'public', 't')",
        "ATTACH 'http://{host}/x.duckdb' AS x",
        "COPY (SELECT 1) TO 'http://{host}/x.csv'",
        "INSTALL httpfs FROM 'http://{host}'",
        "LOAD httpfs",
    ],
)
def test_no_host_is_spoken_to(besieged: tuple[Lake, Path], sql: str) -> None:
    lake, _ = besieged
    with socket.create_server(("127.0.0.1", 0)) as server, connect(lake) as connection:
        port = str(server.getsockname()[1])
        with pytest.raises(UsageError):
            list(run_query(connection, sql.replace("{host}", f"127.0.0.1:{port}").replace("{port}", port)).rows())
        assert not select.select([server], [], [], 0)[0]


def test_every_function_of_this_duckdb_was_reviewed(besieged: tuple[Lake, Path]) -> None:
    """A new DuckDB brings new ones: look at each, then refuse it in warehouse/query.py or name it above."""
    lake, _ = besieged
    with connect(lake) as connection:
        listed = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type"
        tables = run_query(connection, f"{listed} IN ('table', 'pragma', 'table_macro')").rows(10_000)
        refused = {name for rows in tables for (name,) in rows} - set(REVIEWED)
        acting = run_query(connection, f"{listed} = 'scalar' AND has_side_effects").rows(10_000)
        refused |= {name for rows in acting for (name,) in rows} - set(HARMLESS)
        assert len(refused) > 20
        for name in refused:
            for sql in (f"FROM {name}()", f"SELECT {name}()", f"FROM {PIVOT}, {name}/**/()"):
                with pytest.raises(UsageError, match=f"(?i)refuses {name}\\."):
                    run_query(connection, sql)
