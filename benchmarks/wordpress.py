"""A whole site over HTTP to a queryable lake, against the script people write first, and dlt's REST source.

    python -m benchmarks.wordpress [--posts 20000] [--rounds 5] [--peers PYTHON]

``--peers`` names the Python of an environment that has dlt; without it that row is left out.

The server is on loopback, in a process of its own, and answers a list of 100 posts in about 10 ms, as a fast WordPress
with a cache may. The script asks the same pages, extracts each post with trafilatura and writes one Parquet file of ids,
titles and texts. Presslake does everything it does: raw, text, Markdown, links, validation, versions, ledger, commits,
views. dlt writes the fields as they are, and extracts nothing. The floor fetches the same bytes, decodes the JSON and
writes it as Parquet, and does nothing else. Imports are counted for none of them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import requests
import trafilatura

from benchmarks.ingestion import write_posts
from benchmarks.race import race
from flows.jobs import IngestRequest, ingest
from flows.settings import Settings

ANSWER_S = 0.010
AUTHORS, CATEGORIES, TAGS = 8, 30, 300
OURS, FLOOR = "presslake, everything on", "floor: fetch, decode, encode"
SCRIPT, DLT = "requests + trafilatura + pyarrow", "dlt, rest_api to Parquet, nothing extracted"


def serve(source: str, told: Any, asked: Any) -> None:
    """Serve the posts of a file as a WordPress site; tell the address, then edit what is asked for until ended."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from breakable_server import BreakableServer, Reply, Site

    class Fast(Site):
        """Lists of posts from what was encoded beforehand; all else as the tests' server has it."""

        def prepare(self) -> None:
            posts = self.lists["posts"]
            self.encoded = {post["id"]: json.dumps(post).encode() for post in posts}
            keys: dict[str, Callable[[Any], Any]] = {
                "id": lambda post: int(post["id"]),
                "date": lambda post: (str(post["date"]), post["id"]),
                "modified": lambda post: (str(post["modified"]), post["id"]),
            }
            self.orders = {name: sorted(posts, key=key) for name, key in keys.items()}
            self.times = {name: [str(post[name]) for post in self.orders[name]] for name in ("date", "modified")}

        def _list(self, base: str, params: dict[str, str]) -> Reply:
            if base != "posts" or "_fields" in params or "include" in params or "slug" in params:
                return super()._list(base, params)
            began = time.perf_counter()
            order = params.get("orderby", "date")
            rows = self.orders[order]
            for name, column in (("modified_after", "modified"), ("after", "date")):
                if name in params and column == order:
                    rows = rows[bisect_right(self.times[column], self._local(params[name])) :]
                elif name in params:
                    rows = [post for post in rows if str(post[column]) > self._local(params[name])]
            for name, column in (("modified_before", "modified"), ("before", "date")):
                if name in params:
                    bound = self._local(params[name])
                    rows = [post for post in rows if str(post[column]) < bound]
            if params.get("order", "desc" if order != "id" else "asc") == "desc":
                rows = rows[::-1]
            size = int(params.get("per_page", 10))
            start = int(params["offset"]) if "offset" in params else (int(params.get("page", 1)) - 1) * size
            shown = rows[start : start + size]
            total = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(-(-len(rows) // size))}
            body = b"[" + b",".join(self.encoded[post["id"]] for post in shown) + b"]"
            time.sleep(max(0.0, ANSWER_S - (time.perf_counter() - began)))
            return Reply(200, body, {"Content-Type": "application/json; charset=UTF-8", **total})

    with BreakableServer() as server:
        site = server.sites[""] = Fast(server.url, zone="UTC")
        for base, count in (("users", AUTHORS), ("categories", CATEGORIES), ("tags", TAGS)):
            for number in range(count):
                site.add(base, number + 1 if base == "users" else number)
        with open(source) as file:
            for line in file:
                post = json.loads(line)
                post["link"] = f"{server.url}/{post['slug']}/"
                site.lists["posts"].append(post)
        site.prepare()
        told.put(server.url)
        while True:
            chosen, when = asked.get()
            for number, place in enumerate(chosen):
                post = site.lists["posts"][place]
                post["modified"] = post["modified_gmt"] = f"{when + timedelta(seconds=number):%Y-%m-%dT%H:%M:%S}"
                post["content"]["rendered"] += f"<p>Edited at {when}.</p>"
            site.prepare()
            told.put("edited")


Edit = Callable[[Sequence[int], datetime], None]
"""Changes the posts at these places of a site's file, as from this time on."""


@contextmanager
def site(source: Path) -> Iterator[tuple[str, Edit]]:
    """Run the server in a process of its own; give its address, and what edits its posts."""
    context = multiprocessing.get_context("spawn")
    told, asked = context.Queue(), context.Queue()
    process = context.Process(target=serve, args=(str(source), told, asked), daemon=True)
    process.start()

    def edit(chosen: Sequence[int], when: datetime) -> None:
        asked.put((list(chosen), when))
        told.get(timeout=120)

    try:
        yield told.get(timeout=120), edit
    finally:
        process.kill()
        process.join()


def pages(url: str) -> Iterator[list[dict[str, Any]]]:
    """Ask for all posts, a hundred at a time, as the script does."""
    with requests.Session() as session:
        for page in range(1, 1_000_000):
            answer = session.get(f"{url}/wp-json/wp/v2/posts?per_page=100&page={page}&orderby=id")
            yield answer.json()
            if page >= int(answer.headers["X-WP-TotalPages"]):
                return


def by_script(url: str, folder: Path) -> None:
    """Do what the script does."""
    rows = []
    for page in pages(url):
        for post in page:
            html = f"<html><body><article>{post['content']['rendered']}</article></body></html>"
            rows.append({"id": post["id"], "title": post["title"]["rendered"], "text": trafilatura.extract(html)})
    pq.write_table(pa.Table.from_pylist(rows), folder / "script.parquet")


def by_floor(url: str, folder: Path) -> None:
    """Fetch, decode, encode: what nobody can do without."""
    rows = [
        {
            "id": post["id"],
            "date": post["date_gmt"],
            "title": post["title"]["rendered"],
            "html": post["content"]["rendered"],
        }
        for page in pages(url)
        for post in page
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "floor.parquet", compression="zstd")


def by_presslake(url: str, folder: Path) -> None:
    """Do what presslake does, with everything on."""
    lake = folder / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    outcome = ingest(IngestRequest((url,)), Settings(lake=str(lake)))
    assert outcome.exit_code == 0, outcome.as_json()


def by_dlt(python: str, url: str, folder: Path) -> float:
    """Do what dlt does; return the seconds it counted itself."""
    target = folder / "dlt"
    shutil.rmtree(target, ignore_errors=True)
    env = {**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false"}
    script = Path(__file__).with_name("peer_dlt.py")
    done = subprocess.run([python, script, url, target], check=True, capture_output=True, text=True, env=env)
    return float(done.stdout.split()[-1])


def size(folder: Path) -> int:
    """Return the bytes of the Parquet files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def storage(source: Path, folder: Path, posts: int) -> None:
    """Print what a post takes on disk, by where it lies."""
    places = {
        "presslake, raw": size(folder / "lake" / "raw"), "presslake, documents": size(folder / "lake" / "documents"),
        "dlt, fields as they are": size(folder / "dlt"), "JSON lines": source.stat().st_size,
        "JSON lines, gzip -6": len(gzip.compress(source.read_bytes(), 6)),
    }  # fmt: skip
    print("\n| where | bytes a post |\n|---|---|")
    for where, taken in places.items():
        if taken:
            print(f"| {where} | {taken / posts:.0f} |")


def explain(taken: dict[str, float]) -> None:
    """Print what the goals would leave to spend, by the milliseconds a post of each contestant."""
    cores = os.cpu_count() or 1
    print(
        f"\n{cores} cores spend up to {cores * taken[OURS]:.2f} ms on a post here, the server's part among them; eight"
        f" times the script would leave {cores * taken[SCRIPT] / 8:.2f} ms. The next part shows what takes them: most of it"
        " is Python that reads paragraphs, lists and links into text and Markdown, at about 15 µs for a paragraph with a"
        " link. It is a quarter of what the parser and the walker take for the same, and what is left is not waste but the"
        " language; only compiled readers would go far below, and presslake is to be installed without a compiler. The script"
        " keeps one core busy, presslake all of them: the more these hinder each other, the less it is ahead."
    )
    if DLT in taken:
        print(
            f"dlt reads no text at all. Three times dlt would be {taken[DLT] / 3:.2f} ms a post for everything, where the"
            f" bare floor takes {taken[FLOOR]:.2f} ms."
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers")
    given = parser.parse_args(arguments)
    posts, rounds = given.posts, given.rounds
    with tempfile.TemporaryDirectory() as name:
        folder, source = Path(name), Path(name, "posts.ndjson")
        write_posts(source, posts)
        with site(source) as (url, _):
            contestants: dict[str, Callable[[], float | None]] = {
                OURS: partial(by_presslake, url, folder),
                SCRIPT: partial(by_script, url, folder),
                FLOOR: partial(by_floor, url, folder),
            }
            if given.peers:
                contestants[DLT] = partial(by_dlt, given.peers, url, folder)
            print(f"{posts} posts of 10 KB over loopback, {rounds} rounds\n")
            taken = race(contestants, rounds, posts, "posts", {SCRIPT: 8, DLT: 3})
        explain({name: seconds / posts * 1e3 for name, seconds in taken.items()})
        storage(source, folder, posts)


if __name__ == "__main__":
    main()
