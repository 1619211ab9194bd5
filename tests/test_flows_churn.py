"""A large site that changes while it is read, and a reader that is killed: at the end lake and database agree."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lakes import ingested, query, stream
from test_flows_wordpress import assert_agree, published

from flows.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
POSTS = 5000


def edits(random_: random.Random, ids: list[int]) -> str:
    """Return PHP that does one round of what editors, schedulers and importers do."""
    some = random_.sample(ids, 9)
    return (
        f"wp_update_post(['ID' => {some[0]}, 'post_content' => '<p>Edited {random_.random()}</p>']);"
        f"wp_update_post(['ID' => {some[1]}, 'post_title' => 'Retitled {random_.random()}']);"
        f"wp_trash_post({some[2]}); wp_delete_post({some[3]}, true);"
        f"wp_update_post(['ID' => {some[4]}, 'post_status' => 'draft']);"
        f"wp_untrash_post({some[5]}); wp_publish_post({some[5]});"
        "wp_insert_post(['post_title' => 'Fresh', 'post_content' => 'News.', 'post_status' => 'publish']);"
        "wp_insert_post(['post_title' => 'Dated back', 'post_content' => 'Old.', 'post_status' => 'publish',"
        f" 'post_date' => '20{random_.randint(10, 20)}-0{random_.randint(1, 9)}-11 09:00:00']);"
        # A scheduled post that went live without anybody touching its modification time.
        "$id = wp_insert_post(['post_title' => 'Scheduled', 'post_content' => 'Later.', 'post_status' => 'publish']);"
        "global $wpdb; $wpdb->update('wp_posts', ['post_modified' => '2018-01-01 00:00:00',"
        " 'post_modified_gmt' => '2018-01-01 06:00:00'], ['ID' => $id]);"
    )


@pytest.mark.timeout(600)
def test_lake_and_database_agree_after_reading_a_site_that_changes(wordpress: Any, settings: Settings) -> None:
    ids = wordpress.add_posts(POSTS)
    settings = replace(settings, workers=2, batch_records=500)
    random_, stopped, failures = random.Random(11), threading.Event(), []

    def churn() -> None:
        while not stopped.is_set():
            try:
                wordpress.php(edits(random_, ids))
            except RuntimeError as error:
                failures.append(error)

    editor = threading.Thread(target=churn)
    editor.start()
    try:
        for _ in range(3):
            outcome = ingested(settings, wordpress.url, kinds=("posts", "pages"))
            assert not outcome.failures
    finally:
        stopped.set()
        editor.join()
    assert not failures, failures[0]
    final = ingested(settings, wordpress.url)
    assert final.exit_code == 0, [row["reason"] for row in final.streams]
    assert_agree(wordpress, settings.lake)
    titles = {str(r["ID"]): r["post_title"] for r in wordpress.sql("SELECT ID, post_title FROM wp_posts")}
    for row in query(settings.lake, "SELECT id, title FROM documents WHERE kind = 'post' AND title LIKE 'Retitled%'"):
        assert titles[row["id"]] == row["title"]
    # One more run finds nothing: neither a document nor a version too many.
    idle = ingested(settings, wordpress.url, kinds=("posts",))
    row = stream(idle, "posts")
    assert (row["new"], row["changed"], row["deleted"]) == (0, 0, 0)
    versions = query(settings.lake, "SELECT kind, id, document_version FROM document_versions")
    assert max(Counter(tuple(r.values()) for r in versions).values()) == 1


@pytest.mark.timeout(600)
def test_a_killed_reader_goes_on_where_it_was(wordpress: Any, settings: Settings) -> None:
    wordpress.add_posts(3000)
    environment = {**os.environ, "PRESSLAKE_BATCH_RECORDS": "300", "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable, "-m", "flows.cli", "ingest", wordpress.url, "--kinds", "posts", "--lake", settings.lake, "--workers", "1",
    ]  # fmt: skip
    for wait in (0.0, 0.4):
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert process.stderr is not None
        for line in process.stderr:
            if " posts: " in line:
                break
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
    done = subprocess.run([*command, "--json"], env=environment, capture_output=True, text=True, check=True)
    row = next(row for row in json.loads(done.stdout)["streams"] if row["stream"] == "posts")
    total = len(published(wordpress, "post"))
    # Two batches at least were committed before, and are not asked for again.
    assert 0 < row["fetched"] <= total - 300, row
    assert row["requests"] < total / 100
    assert_agree_posts(wordpress, settings.lake)


def assert_agree_posts(site: Any, lake: str) -> None:
    here = Counter(row["id"] for row in query(lake, "SELECT id FROM document_versions WHERE kind = 'post'"))
    assert here.keys() == published(site, "post").keys()
    assert max(here.values()) == 1
