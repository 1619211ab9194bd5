"""What ``make demo`` runs: the examples into a lake, then a table an analyst would enjoy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
QUERY = """
SELECT
    site,
    strftime(date_trunc('month', published_at), '%Y-%m') AS month,
    count(*) AS articles,
    sum(word_count)::BIGINT AS words,
    list_aggregate(list_sort(list_distinct(flatten(list([t.name FOR t IN terms])))), 'string_agg', ', ') AS topics,
    arg_max(title, word_count) AS longest_read
FROM documents
WHERE published_at IS NOT NULL
GROUP BY ALL
ORDER BY month DESC, site
LIMIT 12
"""


def say(*lines: str) -> None:
    """Print a heading or note."""
    print(*lines, sep="\n", flush=True)


def main(presslake: str, lake: str) -> int:
    """Run the demonstration; return the first exit code that is not zero."""
    shutil.rmtree(lake, ignore_errors=True)
    sources = [str(HERE.relative_to(Path.cwd()) / name) for name in ("rest", "export", "pages", "notes")]
    say(f"$ presslake ingest {' '.join(sources)} --lake {lake}")
    code = subprocess.call([presslake, "ingest", *sources, "--lake", lake])
    say("", "$ the same again: nothing is written twice")
    code = code or subprocess.call([presslake, "ingest", *sources, "--lake", lake])
    say("", "What was published when, and what about (presslake sql):", "")
    code = code or subprocess.call([presslake, "sql", QUERY, "--lake", lake])
    say(
        "",
        "Next:",
        f"  {presslake} sql \"select title, site, score from search('ferry')\" --lake {lake}",
        f"  {presslake} status --lake {lake}",
        f"  {presslake} ingest https://your-wordpress.example --lake {lake}",
    )
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
