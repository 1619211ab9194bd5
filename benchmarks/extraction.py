"""Words lost and leaked, and documents a second, of presslake and the libraries it could have been, on the recorded cases.

`python -m benchmarks.extraction` runs the cases. With `--aeb FOLDER` (scrapinghub/article-extraction-benchmark) or
`--wcxb FOLDER` (Murrough-Foley/web-content-extraction-benchmark), checked out anywhere, the public sets are scored too, by
their own measures. `--limit N` takes every page set's first N pages.

Lost and leaked are judged by the second reading of `tests/recorded.py`, which no extractor here shares.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import logging
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import html_to_markdown
import inscriptis
import markdownify
import trafilatura
from trafilatura.settings import Document, Extractor

from flows.extraction.fragments import extract_fragment
from flows.extraction.pages import decode_html, extract_page
from tests.recorded import BASE_URL, Case, cases, visible_text, words

RUNS = 5
# A round of documents is repeated until it takes this long, so that a tick of the clock means nothing.
SHORTEST_S = 0.3

Run = Callable[[str], str]


def _wrapped(html: str) -> str:
    # Without this trafilatura returns nothing for a short fragment.
    return html if "<body" in html else f"<html><body><article>{html}</article></body></html>"


@cache
def _options(**options: Any) -> Extractor:
    return Extractor(comments=False, **options)


def _trafilatura(**options: Any) -> Run:
    return lambda html: trafilatura.extract(_wrapped(html), options=_options(**options)) or ""


def _with_metadata(html: str) -> str:
    # The text form would begin with the metadata: the text by itself is what is compared.
    found = trafilatura.bare_extraction(html, include_comments=False, with_metadata=True)
    return (found.text if isinstance(found, Document) else "") or ""


def _plain_options() -> Any:
    return html_to_markdown.ConversionOptions(output_format="plain")


def _converted(html: str, options: Any = None) -> str:
    found = html_to_markdown.convert(html, options)
    return (found if isinstance(found, str) else found.content) or ""


TEXT: dict[str, Run] = {
    "presslake, text + Markdown + links": lambda html: extract_fragment(html, base_url=BASE_URL).text,
    "trafilatura": _trafilatura(),
    "trafilatura, recall": _trafilatura(recall=True),
    "trafilatura.html2txt": lambda html: trafilatura.html2txt(_wrapped(html)),
    "inscriptis": lambda html: inscriptis.get_text(_wrapped(html)),
    "html-to-markdown, plain": lambda html: _converted(html, _plain_options()),
    "html-to-markdown, text and Markdown": lambda html: _converted(html) and _converted(html, _plain_options()),
}
MARKDOWN: dict[str, Run] = {
    "presslake, text + Markdown + links": lambda html: extract_fragment(html, base_url=BASE_URL).markdown,
    "trafilatura": _trafilatura(output_format="markdown", links=True),
    "html-to-markdown": _converted,
    "markdownify": lambda html: markdownify.markdownify(html),
}
PAGES: dict[str, Run] = {
    "presslake, with metadata": lambda html: extract_page(html).extracted.text,
    "trafilatura, with metadata": _with_metadata,
    "trafilatura": _trafilatura(),
    "trafilatura, recall": _trafilatura(recall=True),
    "trafilatura.html2txt": lambda html: trafilatura.html2txt(html),
    "inscriptis": lambda html: inscriptis.get_text(html),
    "html-to-markdown, plain": lambda html: _converted(html, _plain_options()),
}


def compare(title: str, documents: list[Case], systems: dict[str, Run], *, markdown: bool = False) -> None:
    """Print one table: every system on the same documents, in turn, so that a slow moment slows all."""
    sources = [case.source.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for case in documents]
    readings = [Counter(case.reading()) for case in documents]
    taken: dict[str, list[float]] = {name: [] for name in systems}
    found = {name: [_safely(run, source) for source in sources] for name, run in systems.items()}  # and warms up
    for _ in range(RUNS):
        for name, run in systems.items():
            taken[name].append(_seconds(run, sources) / len(sources))
    total = sum(reading.total() for reading in readings)
    print(f"{title}: {len(documents)} documents, {total} words, {RUNS} runs in turn")
    print(f"{'':38} {'lost':>7} {'leaked':>7}   {'documents a second':>18}")
    for name in systems:
        pairs = zip(readings, map(_words(markdown), found[name]), strict=True)
        both = [((reading - words_).total(), (words_ - reading).total()) for reading, words_ in pairs]
        lost, leaked = (100 * sum(column) / total for column in zip(*both, strict=True))
        rates = sorted(1 / seconds for seconds in taken[name])
        spread = f"({rates[0]:.0f}–{rates[-1]:.0f})"
        print(f"{name:38} {lost:6.2f}% {leaked:6.2f}%   {statistics.median(rates):8.0f} {spread}")


def _words(markdown: bool) -> Callable[[str], Counter[str]]:
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return lambda text: Counter(words(visible_text(renderer.render(text)) if markdown else text))


def _safely(run: Run, source: str) -> str:
    try:
        return run(source)
    except Exception:  # a library that fails on a document lost its words
        return ""


def _seconds(run: Run, sources: list[str]) -> float:
    rounds, began = 0, time.process_time()
    while time.process_time() - began < SHORTEST_S or not rounds:
        for source in sources:
            _safely(run, source)
        rounds += 1
    return (time.process_time() - began) / rounds


# -- public sets, never part of the project -------------------------------------------------------


def article_benchmark(folder: Path, limit: int | None) -> None:
    """F1 of four-word runs, by the set's own evaluate.py."""
    spec = importlib.util.spec_from_file_location("aeb_evaluate", folder / "evaluate.py")
    assert spec and spec.loader
    evaluate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(evaluate)
    truth = json.loads((folder / "ground-truth.json").read_text())
    pages = [
        (folder / "html" / f"{key}.html.gz", truth[key]["articleBody"], truth[key].get("url")) for key in sorted(truth)
    ]

    def score(texts: list[str], references: Iterable[str]) -> str:
        shares = [evaluate.string_shingle_matching(true=a, pred=b) for a, b in zip(references, texts, strict=True)]
        measured = evaluate.metrics_from_tp_fp_fns(shares)
        return f"F1 {measured['f1']:.4f}  precision {measured['precision']:.4f}  recall {measured['recall']:.4f}"

    _score_pages("article-extraction-benchmark", pages[:limit], score)


def content_benchmark(folder: Path, split: str, limit: int | None) -> None:
    """Mean F1 of words, as the set's own evaluate.py counts them."""
    pages = []
    for path in sorted((folder / split / "ground-truth").glob("*.json")):
        given = json.loads(path.read_text())
        text = given["ground_truth"].get("main_content") or ""
        pages.append((folder / split / "html" / f"{path.stem}.html.gz", text, given.get("url")))

    def score(texts: list[str], references: Iterable[str]) -> str:
        return f"word F1 {statistics.mean(map(_word_f1, texts, references)):.4f}"

    _score_pages(f"WCXB {split}", pages[:limit], score)


def _word_f1(text: str, reference: str) -> float:
    given, wanted = (Counter(re.findall(r"\w+", part.lower())) for part in (text, reference))
    if not wanted or not given:
        return float(not wanted and not given)
    return 2 * (given & wanted).total() / (given.total() + wanted.total())


def _score_pages(
    name: str, pages: list[tuple[Path, str, str | None]], score: Callable[[list[str], Iterable[str]], str]
) -> None:
    systems: dict[str, Callable[[str, str | None], str]] = {
        "presslake, with metadata": lambda html, url: extract_page(html, url=url).extracted.text,
        "trafilatura, with metadata": lambda html, _: _with_metadata(html),
    }
    texts: dict[str, list[str]] = {system: [] for system in systems}
    taken = dict.fromkeys(systems, 0.0)
    for path, _, url in pages:
        html = decode_html(gzip.decompress(path.read_bytes()))
        for system, run in systems.items():
            began = time.process_time()
            texts[system].append(run(html, url))
            taken[system] += time.process_time() - began
    print(f"\n{name}: {len(pages)} pages")
    for system, found in texts.items():
        print(
            f"{system:38} {score(found, [page[1] for page in pages])}   {len(pages) / taken[system]:.1f} pages a second"
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aeb", type=Path, metavar="FOLDER")
    parser.add_argument("--wcxb", type=Path, metavar="FOLDER")
    parser.add_argument("--limit", type=int)
    given = parser.parse_args([] if arguments is None else arguments)
    logging.disable(logging.CRITICAL)  # libraries report what they could not find
    fragments = [case for case in cases() if case.meta["kind"] == "fragment" and not case.meta.get("autop")]
    compare("Fragments as text", fragments, TEXT)
    print()
    compare("Fragments as Markdown", fragments, MARKDOWN, markdown=True)
    print()
    compare("Pages as text", [case for case in cases() if case.meta["kind"] == "page"], PAGES)
    if given.aeb:
        article_benchmark(given.aeb, given.limit)
    if given.wcxb:
        for split in ("dev", "test"):
            content_benchmark(given.wcxb, split, given.limit)


if __name__ == "__main__":
    main(sys.argv[1:])
