"""What a report says: every figure with its sentence, its table and what its chart shows.

Numbers come counted from ``warehouse.report_figures``; here they get words. Nothing depends on the clock, so
the same lake gives the same report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import duckdb

from flows.report import coverage, edits
from flows.report.drawings import Bar, Bars, Columns, Figure, Report, Section, Tile
from flows.report.periods import Tick
from flows.report.timelines import publishing
from flows.report.wording import clean, counted, day, language, minute, number, share, short_number
from warehouse.report_figures import figure, gather

MOST = 15
Row = dict[str, Any]
Read = Callable[..., list[Row]]
_LENGTHS = ("none", "1 to 49", *(f"{50 << n:,} to {(100 << n) - 1:,}" for n in range(10)), "51,200 and more")
_SHORT_LENGTHS = ("0", "1+", *(f"{50 << n:,}+" for n in range(11)))


def report(connection: duckdb.DuckDBPyConnection) -> Report:
    """Return everything that the page about a lake says.

    Args:
        connection: the lake's catalog, as ``warehouse.query.connect`` opens it.

    Raises:
        LakeError: the lake's files cannot be read.
    """
    gather(connection)
    read: Read = partial(figure, connection)
    (totals,), (ledger,) = read("totals"), read("ledger")
    sites = read("sites", most=MOST)
    changes = read("changes")
    rejections = read("rejections")
    sections = (
        publishing(read, totals),
        coverage.sites(read, sites),
        _contents(read, totals["documents"]),
        _subjects(read),
        edits.edits(read, changes) if sites else None,
        _rejected(rejections),
    )
    return Report(
        _name(sites), _lead(totals, ledger), _tiles(read, totals, sites, changes, rejections),
        tuple(section for section in sections if section is not None),
    )  # fmt: skip


def _name(sites: Sequence[Row]) -> str:
    """Return what the lake is called: by its sites, since its place on a disk is nobody else's business."""
    names = [clean(row["site"], 60) for row in sites]
    if not names:
        return "An empty lake"
    if len(names) < 3:
        return " and ".join(names)
    return f"{names[0]} and {number(sites[0]['all_sites'] - 1)} other sites"


def _lead(totals: Row, ledger: Row) -> str:
    sentences = []
    if totals["oldest"] is not None:
        oldest, newest = day(totals["oldest"]), day(totals["newest"])
        sentences.append(f"Published {'on ' + oldest if oldest == newest else f'from {oldest} to {newest}'}.")
    if ledger["last_run_at"] is not None:
        runs = counted(ledger["runs"], "run")
        sentences.append(f"As the lake stood after {runs}; the last one ended on {minute(ledger['last_run_at'])}.")
    return " ".join(sentences) or "Nothing has been ingested yet."


def _tiles(
    read: Read, totals: Row, sites: Sequence[Row], changes: Sequence[Row], rejections: Sequence[Row]
) -> tuple[Tile, ...]:
    kinds = read("kinds")
    named = [_of_kind(row) for row in kinds[:3]]
    others = sum(row["documents"] for row in kinds[3:])
    (authors,) = read("authors")
    languages = sum(row["code"] is not None for row in read("languages"))
    edited = sum(row["changes"] for row in changes if row["sort"] in edits.SORTS)
    removed = read("removal_span")[0]["documents"]
    rejected = sum(row["rejections"] for row in rejections)
    documents = totals["documents"]
    number_of_sites = sites[0]["all_sites"] if sites else 0
    return (
        Tile(_noun(documents, "document"), _big(documents), " · ".join(named + ([f"{number(others)} other"] * (others > 0)))),
        Tile(_noun(totals["words"], "word"), _big(totals["words"]),
             f"{_big(totals['words'] // documents)} each" if documents > 1 else ""),
        Tile(_noun(number_of_sites, "site"), number(number_of_sites)),
        Tile(_noun(authors["authors"], "author"), _big(authors["authors"])),
        Tile(_noun(languages, "language"), number(languages)),
        Tile(_noun(edited, "edit") + " seen", _big(edited)),
        Tile("removed", _big(removed), "kept in the history" if removed else ""),
        Tile("rejected", _big(rejected), "in quarantine" if rejected else ""),
    )  # fmt: skip


def _noun(count: int, one: str) -> str:
    return one if count == 1 else one + "s"


def _of_kind(row: Row) -> str:
    """Return e.g. ``12 posts``; what a custom type calls itself is left as it is."""
    kind, count = clean(row["kind"], 24), row["documents"]
    return counted(count, kind) if kind in ("post", "page", "document") else f"{number(count)} {kind}"


def _big(value: int) -> str:
    return number(value) if value < 1_000_000 else short_number(value)


# -- languages and lengths ----------------------------------------------------------------------------------


def _contents(read: Read, documents: int) -> Section | None:
    figures = (_languages(read("languages"), documents), _lengths(read))
    found = tuple(figure for figure in figures if figure is not None)
    return Section("contents", "Languages and lengths", found) if found else None


def _languages(rows: Sequence[Row], documents: int) -> Figure | None:
    if not rows:
        return None
    table = tuple(
        (language(r["code"]), r["code"] or "", r["documents"], share(r["documents"], documents)) for r in rows
    )
    bars = [(language(row["code"]), row["documents"], share(row["documents"], documents)) for row in rows[:10]]
    rest = rows[10:]
    known = [row for row in rows if row["code"] is not None]
    if not known:
        finding = "No language is certain."
    elif len(known) == 1 and len(rows) == 1:
        finding = f"Everything is in {language(known[0]['code'])}."
    else:
        first = known[0]
        finding = (
            f"{language(first['code'])} leads with {share(first['documents'], documents)} of the documents;"
            f" there {'is 1 language' if len(known) == 1 else f'are {number(len(known))} languages'} in all."
        )
    remainder = (f"and {counted(len(rest), 'other')}", sum(row["documents"] for row in rest)) if rest else None
    columns = ("Language", "Tag", "Documents", "Share")
    return Figure("languages", "Languages", finding, columns, table, ranked(bars, "document", remainder))


def _lengths(read: Read) -> Figure | None:
    rows, (quartiles,) = read("lengths"), read("length_quartiles")
    if not rows:
        return None
    counts = {row["class"]: row["documents"] for row in rows}
    classes = range(min(counts), max(counts) + 1)
    values = tuple(counts.get(number_, 0) for number_ in classes)
    if quartiles["quartiles"] is None:
        finding = "No document holds a word."
    elif sum(values) == 1:
        finding = f"The one document has {counted(quartiles['longest'], 'word')}."
    elif quartiles["quartiles"][0] == quartiles["quartiles"][2]:
        finding = f"At least half of the documents have {counted(quartiles['quartiles'][1], 'word')}."
    else:
        low, median, high = quartiles["quartiles"]
        finding = (
            f"Half of the documents have {number(low)} to {number(high)} words; the median is {number(median)},"
            f" the longest has {number(quartiles['longest'])}."
        )

    def ticks(room: int) -> list[Tick]:
        every = -(-len(classes) // room)
        return [(at, _SHORT_LENGTHS[class_]) for at, class_ in enumerate(classes) if at % every == 0]

    details = tuple(f"{_LENGTHS[c]} words: {counted(counts.get(c, 0), 'document')}" for c in classes)
    highest = max(values)
    drawing = Columns(values, details, ticks, peak=number(highest))
    table = tuple((_LENGTHS[c], counts.get(c, 0), share(counts.get(c, 0), sum(values))) for c in classes)
    return Figure("lengths", "Length in words", finding, ("Words", "Documents", "Share"), table, drawing)


# -- categories and links -----------------------------------------------------------------------------------


def _subjects(read: Read) -> Section | None:
    figures = (_categories(read("categories", most=MOST)), _domains(read("domains", most=MOST)))
    found = tuple(figure for figure in figures if figure is not None)
    return Section("subjects", "Categories and links", found) if found else None


def _categories(rows: Sequence[Row]) -> Figure | None:
    if not rows:
        return None
    bars = [(clean(row["name"]), row["documents"], f"on {counted(row['sites'], 'site')}") for row in rows]
    finding = (
        f"{clean(rows[0]['name'], 60)} comes first, with {counted(rows[0]['documents'], 'document')},"
        f" of {counted(rows[0]['all_names'], 'category', 'categories')}."
    )
    table = tuple((clean(row["name"]), row["documents"], row["sites"]) for row in rows)
    more = remainder(rows, "documents", "all_names", "all_documents", "category", "categories")
    columns = ("Category", "Documents", "Sites")
    table = (*table, *([(*more, "")] if more else []))
    return Figure("categories", "Top categories", finding, columns, table, ranked(bars, "document", more))


def _domains(rows: Sequence[Row]) -> Figure | None:
    if not rows:
        return None
    total = rows[0]["all_links"]
    bars = [(clean(row["domain"]), row["links"], share(row["links"], total)) for row in rows]
    finding = (
        f"{counted(total, 'link')} to {counted(rows[0]['all_domains'], 'other host')};"
        f" {share(rows[0]['links'], total)} of them to {clean(rows[0]['domain'], 60)}."
    )
    table = tuple((clean(row["domain"]), row["links"], share(row["links"], total)) for row in rows)
    more = remainder(rows, "links", "all_domains", "all_links", "host")
    table = (*table, *([(*more, share(more[1], total))] if more else []))
    columns = ("Domain", "Links", "Share")
    return Figure("domains", "Most linked domains", finding, columns, table, ranked(bars, "link", more))


# -- quarantine ---------------------------------------------------------------------------------------------


def _rejected(rows: Sequence[Row]) -> Section:
    title = "Left out, and why"
    if not rows:
        return Section("quarantine", title, (), "Nothing was rejected.")
    total = sum(row["rejections"] for row in rows)
    finding = (
        f"{counted(total, 'rejection')} for {counted(len(rows), 'reason')};"
        f" most often {clean(rows[0]['reason'], 40)}, {share(rows[0]['rejections'], total)} of them."
    )
    bars = [(clean(row["reason"], 60), row["rejections"], clean(row["example"])) for row in rows[:MOST]]
    rest = rows[MOST:]
    more = (f"and {counted(len(rest), 'other')}", sum(row["rejections"] for row in rest)) if rest else None
    columns = ("Reason", "Rejections", "Records", "Sites", "Newest", "For example")
    table = tuple(
        (clean(r["reason"], 60), r["rejections"], r["records"], r["sites"], day(r["newest"]), clean(r["example"]))
        for r in rows
    )
    drawn = ranked(bars, "rejection", more)
    text = "The bytes of each record are kept; presslake quarantine replay tries them again."
    shown = Figure("rejections", "Quarantine by reason", finding, columns, table, drawn)
    return Section("quarantine", title, (shown,), text)


# -- shared -------------------------------------------------------------------------------------------------


def ranked(rows: Sequence[tuple[str, int, str]], noun: str, more: tuple[str, int] | None = None) -> Bars:
    """Return bars of labels, values and a word more about each; what is left over stands last, in words only."""
    bars = [
        Bar(label, value, number(value), f"{label}: {counted(value, noun)}" + (f", {word}" if word else ""))
        for label, value, word in rows
    ]
    if more:
        bars.append(Bar(more[0], more[1], number(more[1]), "", is_remainder=True))
    return Bars(tuple(bars))


def remainder(
    rows: Sequence[Row], value: str, all_rows: str, all_values: str, one: str, many: str | None = None
) -> tuple[str, int] | None:
    """Return what rows cut off by a limit come to, with a label; None if none were."""
    count = rows[0][all_rows] - len(rows) if rows else 0
    if not count:
        return None
    noun = f"more {one}" if count == 1 else f"more {many or one + 's'}"
    return f"and {number(count)} {noun}", rows[0][all_values] - sum(row[value] for row in rows)
