"""Where the parts of a lake lie. Nothing heavy is imported here: a first answer in SQL must come quickly."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

CATALOG = "catalog.duckdb"
PUBLISHED = "published"
KEEP_DAYS = 7.0
"""How long files stay that nothing new names: catalogs opened since then find all of theirs."""


def is_remote(root: str) -> bool:
    """Tell whether a lake's root is an object-store URL."""
    return "://" in root


def absolute(root: str) -> str:
    """Return a lake's root as seen from any folder; processes and machines that share it may be in others."""
    return root.rstrip("/") if is_remote(root) else str(Path(root).expanduser().absolute())


def local_folder(root: str) -> Path:
    """Return the folder that holds a lake's catalog and every file that its views read.

    For a lake in a folder that is the lake. A lake in an object store has a mirror of the files that its newest
    catalog names, below the user's cache: DuckDB then needs no extension, and SQL answers without the network.
    """
    if not is_remote(root):
        return Path(os.path.expanduser(root))
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    url = root.rstrip("/")
    # The name is for people, the hash tells apart.
    name = "".join(c if c.isalnum() else "-" for c in url.split("://", 1)[1])[-40:].strip("-")
    return Path(os.path.abspath(cache), "presslake", f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:16]}")
