"""What a question in words costs, before and after upkeep has indexed the words, in the same run.

    python -m benchmarks.search [--sizes 20000,200000]

Invented articles of 700 words in a vocabulary of 200,000, as frequent as the words of a language are: the first ones
stand dozens of times in every article, the last ones in one of thousands.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import accumulate

import duckdb
import pyarrow as pa

from benchmarks.lake import SITES, Corpus, build, edits
from warehouse.catalog import catalog_path, publish
from warehouse.commit import commit_documents, land_raw
from warehouse.lake import Lake
from warehouse.words import index

VOCABULARY, TEXTS, WORDS, RUNS = 200_000, 20_000, 700, 3
_SYLLABLES = "ba be bi bo bu ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu ra re ri ro ru sa se si so su ta".split()


def word(rank: int) -> str:
    """Return the word of this rank in frequency."""
    syllables = []
    rank += len(_SYLLABLES)
    while rank:
        rank, syllable = divmod(rank, len(_SYLLABLES))
        syllables.append(_SYLLABLES[syllable])
    return "".join(syllables)


QUESTIONS = {
    "in every article, dozens of times": word(0),
    "in most articles": word(45),
    "in one of forty": word(3000),
    "in one of a thousand": word(150_000),
    "in none": "zebra",
    "two words": f"{word(300)} {word(5000)}",
    "five frequent words": " ".join(word(rank) for rank in (20, 50, 100, 200, 300)),
    "the beginning of many words": word(150_000)[:3],
    "a phrase of frequent words": f'"{word(60)} {word(800)}"',
}


class Language(Corpus):
    """Invented articles whose words are as frequent as those of a language."""

    def __init__(self) -> None:
        dice = random.Random(11)
        vocabulary = [word(rank) for rank in range(VOCABULARY)]
        weights = list(accumulate(1 / (rank + 2.7) for rank in range(VOCABULARY)))
        texts = [" ".join(dice.choices(vocabulary, cum_weights=weights, k=WORDS)) for _ in range(TEXTS)]
        self._parts = [pa.array(texts)]
        self._short = pa.array([text[:200] for text in texts])


def ask(lake: Lake) -> dict[str, tuple[float, int]]:
    """Return the median seconds of each question's ten best answers, and how many there are in all."""
    found = {}
    with duckdb.connect(str(catalog_path(lake)), read_only=True, config={"threads": "2"}) as connection:
        for name, words in QUESTIONS.items():
            taken = []
            for _ in range(RUNS):
                began = time.perf_counter()
                connection.execute("SELECT score, title, url FROM search(?) LIMIT 10", [words]).fetchall()
                taken.append(time.perf_counter() - began)
            (count,) = connection.execute("SELECT count(*) FROM search(?)", [words]).fetchone() or (0,)
            found[name] = statistics.median(taken), count
    return found


def publishing(lake: Lake) -> float:
    """Return the median seconds of a publish after a hundred edits."""
    taken = []
    for run in range(RUNS):
        records, rows = edits(f"site-{run}.example", range(100), run)
        land_raw(lake, records, "edit")
        commit_documents(lake, rows)
        began = time.perf_counter()
        publish(lake)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measure(documents: int) -> None:
    """Print what questions cost in a lake of this size before and after its words are indexed."""
    folder = tempfile.mkdtemp(prefix="presslake-bench-")
    try:
        lake = build(f"{folder}/lake", {f"site-{n}.example": documents // SITES for n in range(SITES)}, Language())
        publish(lake)
        publish_before, before = publishing(lake), ask(lake)
        began = time.perf_counter()
        files = index(lake)
        taken = time.perf_counter() - began
        publish(lake)
        after, publish_after = ask(lake), publishing(lake)
        print(f"\n{documents:,} articles; {files} data files indexed in {taken:.0f} s")
        print(f"{'median of ' + str(RUNS) + ', seconds':36} {'answers':>9} {'before':>9} {'after':>9} {'ratio':>7}")
        for name, (seconds, count) in before.items():
            then, same = after[name]
            assert count == same, (name, count, same)
            print(f"{name:36} {count:9,} {seconds:9.3f} {then:9.3f} {seconds / then:7.1f}")
        print(f"{'publish after 100 edits':46} {publish_before:9.3f} {publish_after:9.3f}")
    finally:
        shutil.rmtree(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--sizes", default="20000,200000", help="numbers of articles")
    for size in parser.parse_args(arguments).sizes.split(","):
        measure(int(size))


if __name__ == "__main__":
    main()
