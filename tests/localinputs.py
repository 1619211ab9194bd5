"""Small local inputs of every kind, and what is read of them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from flows.readers.files import FileOptions, read
from schemas.records import RawRecord, Rejection
from schemas.sources import Source

NOTE = b"A Note About Boats\n\nThere are nine boats in the harbour and one of them is mine.\n"
EXPORT = (
    b'<?xml version="1.0"?><rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/"><channel>'
    b"<wp:wxr_version>1.2</wp:wxr_version><wp:base_blog_url>https://w.example</wp:base_blog_url>"
    b"<item><title>Hi</title><wp:post_id>5</wp:post_id><wp:post_type>post</wp:post_type>"
    b"<wp:status>publish</wp:status></item></channel></rss>"
)


def post(number: int, **more: object) -> dict[str, object]:
    return {
        "id": number,
        "type": "post",
        "link": f"https://p.example/{number}/",
        "title": {"rendered": f"Post {number}"},
        "content": {"rendered": f"<p>Text number {number}.</p>"},
        "date_gmt": "2024-05-01T10:00:00",
        **more,
    }


POSTS = json.dumps([post(1), post(2)]).encode()


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zipped(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def found(given: Path | str, site: str | None = None, most: int = 1 << 24) -> list[RawRecord | Rejection]:
    return [r for r in read(Source.parse(str(given)), FileOptions(site, most)) if r.kind != "wxr_header"]
