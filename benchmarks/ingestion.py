"""Saved REST posts to a queryable lake, against the script people write first: extract each post, write one Parquet.

Both read the same newline-delimited file. The script gives text only; presslake also gives Markdown, links, headings,
images, language, validation, raw, versions, a ledger and published views.
"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import trafilatura

from flows.jobs import IngestRequest, ingest
from flows.settings import Settings

POSTS = 2000
RUNS = 5
_WORDS = (
    "harbour ferry council morning light engine paper answer river old stone bridge market voice letter garden"
    " winter signal window number road evening keeper north table spring story"
).split()


def _content(random_: random.Random) -> str:
    """Return about 10 KB of the markup that WordPress renders."""
    parts = []
    for section in range(6):
        parts.append(f'<h2 class="wp-block-heading">{" ".join(random_.choices(_WORDS, k=4)).title()} {section}</h2>')
        for _ in range(4):
            words = " ".join(random_.choices(_WORDS, k=55))
            parts.append(
                f'<p>{words.capitalize()}, <a href="https://example.net/{random_.random()}">said</a> &amp; done.</p>'
            )
        items = "".join(f"<li>{' '.join(random_.choices(_WORDS, k=6))}</li>" for _ in range(3))
        parts.append(f'<ul class="wp-block-list">{items}</ul>')
    return "\n\n\n".join(parts)


def write_posts(path: Path, count: int) -> None:
    """Write ``count`` invented REST posts, the same ones every time."""
    random_ = random.Random(7)
    with path.open("w") as out:
        for number in range(1, count + 1):
            day = f"20{10 + number % 15}-{1 + number % 12:02}-{1 + number % 28:02}T10:00:00"
            post = {
                "id": number, "date": day, "date_gmt": day, "modified": day, "modified_gmt": day, "slug": f"post-{number}",
                "status": "publish", "type": "post", "link": f"https://example.org/post-{number}/",
                "title": {"rendered": f"Post {number} &#8211; " + " ".join(random_.choices(_WORDS, k=5))},
                "content": {"rendered": _content(random_), "protected": False}, "excerpt": {"rendered": "<p>…</p>"},
                "author": 1 + number % 8, "featured_media": 0, "categories": [number % 30], "tags": [number % 300],
            }  # fmt: skip
            out.write(json.dumps(post) + "\n")


_WXR = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:wp="http://wordpress.org/export/1.2/"><channel>
<title>A site</title><link>https://example.org</link><wp:wxr_version>1.2</wp:wxr_version>
<wp:base_site_url>https://example.org</wp:base_site_url><wp:base_blog_url>https://example.org</wp:base_blog_url>
"""
_WXR_ITEM = """<item><title><![CDATA[Post {n}]]></title><link>https://example.org/post-{n}/</link>
<dc:creator><![CDATA[ann]]></dc:creator><guid isPermaLink="false">https://example.org/?p={n}</guid>
<content:encoded><![CDATA[{content}]]></content:encoded><excerpt:encoded><![CDATA[]]></excerpt:encoded>
<wp:post_id>{n}</wp:post_id><wp:post_date>2020-01-01 10:00:00</wp:post_date>
<wp:post_date_gmt>2020-01-01 10:00:00</wp:post_date_gmt><wp:post_name>post-{n}</wp:post_name>
<wp:status>publish</wp:status><wp:post_type>post</wp:post_type>
<category domain="category" nicename="news"><![CDATA[News]]></category></item>
"""


def write_wxr(path: Path, most_bytes: int) -> int:
    """Write an export of about that size; return how many posts are in it."""
    random_ = random.Random(8)
    contents = [_content(random_) for _ in range(500)]
    number = 0
    with path.open("w") as out:
        out.write(_WXR)
        while out.tell() < most_bytes:
            number += 1
            out.write(_WXR_ITEM.format(n=number, content=f"<p>Number {number}.</p>{contents[number % 500]}"))
        out.write("</channel></rss>")
    return number


def by_script(source: Path, target: Path) -> None:
    """Do what the script does."""
    rows = []
    for line in source.open():
        post = json.loads(line)
        html = f"<html><body><article>{post['content']['rendered']}</article></body></html>"
        rows.append({"id": post["id"], "title": post["title"]["rendered"], "text": trafilatura.extract(html)})
    pq.write_table(pa.Table.from_pylist(rows), target)


def by_presslake(source: Path, lake: str) -> None:
    """Do what presslake does, with everything on."""
    outcome = ingest(IngestRequest((str(source),)), Settings(lake=lake))
    assert outcome.exit_code == 0


def main() -> None:
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "posts.ndjson")
        write_posts(source, POSTS)
        size = source.stat().st_size / POSTS / 1000
        by_script(source, Path(folder, "warm-up.parquet"))
        for run in range(RUNS):
            began = time.perf_counter()
            by_presslake(source, str(Path(folder, f"lake-{run}")))
            middle = time.perf_counter()
            by_script(source, Path(folder, f"script-{run}.parquet"))
            ours.append(middle - began)
            theirs.append(time.perf_counter() - middle)
    ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
    print(f"{POSTS} saved posts of {size:.0f} KB, {RUNS} pairs      median seconds  posts a second")
    for name, taken in (("presslake, everything on", ours), ("trafilatura per post + pyarrow", theirs)):
        print(f"{name:40} {statistics.median(taken):12.2f} {POSTS / statistics.median(taken):15.0f}")
    print(f"faster by {statistics.median(ratios):.1f}× (from {ratios[0]:.1f} to {ratios[-1]:.1f})")


if __name__ == "__main__":
    main()
