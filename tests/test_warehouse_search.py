"""Search: which documents a reader would want first, in several languages and scripts, and what must not come at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from documents import row, table
from lakes import query
from older_duckdb import older_duckdb
from recipe_lakes import EXAMPLES

from flows.jobs import IngestRequest, ingest
from flows.settings import Settings
from flows.upkeep import maintain
from warehouse.catalog import publish
from warehouse.commit import commit_documents
from warehouse.lake import Lake
from warehouse.purge import Target, find, purge
from warehouse.query import connect, run_query
from warehouse.rewrite import data_files
from warehouse.words import index, names

_FILLER = "Nothing else of note was said that day, and everybody went home before the rain. "
MADE = (
    row("long", "The tide was mentioned once. " + _FILLER * 40),
    row("short", "The tide turned at noon, and a second tide came at night."),
    row("titled", "What the harbour master told us on Monday morning.", title="Tide tables"),
    row("plural", "Two tides a day are enough for anybody."),
    row("inside", "The untidiest desk; bestride it who can."),
    row("cafe", "Das Café an der Straße hat über Mittag geöffnet.", title="Ein Café"),
    row("decomposed", "Le cafe\u0301 est fermé.", title="Rien"),
    row("greek", "Η Αθήνα έχει μεγάλο λιμάνι.", title="Λιμάνι"),
    row("cyrillic", "Новый мост построен через реку.", title="Мост"),
    row("simple", "Очень простой рассказ.", title="Рассказ"),
    row("japanese", "昨日、東京都庁で会議が開かれた。", title="会議"),
    row("chinese", "北京的秋天很美。", title="秋天"),
    row("arabic", "افتُتِحَ الجسر الجديد أمس.", title="الجسر"),
    row("thai", "เรือข้ามฟากออกตอนเที่ยง", title="เรือ"),
    row("ordered", "They voted to close the school gate.", title="A vote"),
    row("shuffled", "The gate of the school will close, they say.", title="A gate"),
    row("broken", "They voted to close the\n\nschool — gate.", title="Lines"),
    row("quoted", "It’s the skipper’s boat, and O'Neill rows it. 100% (really).", title="Apostrophes"),
    row("newer", "A lighthouse.", title="Light", published_at=datetime(2025, 1, 1, tzinfo=UTC)),
    row("older", "A lighthouse.", title="Light", published_at=datetime(2020, 1, 1, tzinfo=UTC)),
    row("undated", "A lighthouse.", title="Light", published_at=None),
    row("glued", "新しいiPhoneが届いた。", title="電話"),
    row("counting", "One, two, three, four, five, six, seven, eight, nine and ten.", title="Numbers"),
    row("wordless", "", title="Semaphore", word_count=None),
)
TOP: dict[str, list[str]] = {
    # a word in the title, then often in a short text, then by the way in a long one; what only begins so is worth half
    "tide": ["titled", "short", "plural", "long"],
    "TIDE turned": ["short"],
    "cafe": ["cafe", "decomposed"],
    "CAFÉ über": ["cafe"],
    "strasse": [],
    "λιμανι": ["greek"],
    "МОСТ": ["cyrillic"],
    "東京": ["japanese"],
    "会議 東京": ["japanese"],
    "秋天": ["chinese"],
    "الجسر": ["arabic"],
    "เที่ยง": ["thai"],
    "close gate": ["shuffled", "ordered", "broken"],
    '"the school gate"': ["ordered", "broken"],
    "„the school gate” voted": ["ordered", "broken"],
    '"close the" "they voted"': ["ordered", "broken"],
    '"gate school"': [],
    "skipper's": ["quoted"],
    "o'neill": ["quoted"],
    "lighthouse light": ["newer", "older", "undated"],
    "semaphore": ["wordless"],
    "tide tide Tide": ["titled", "short", "plural", "long"],
    "tide lighthouse": [],
    "東京都庁": ["japanese"],
    # cut into parts of four, which must stand in a row; other letters may follow at once
    "東京都庁で会議": ["japanese"],
    "都庁東京": [],
    "東京で会議が開": [],
    "iphone": ["glued"],
    "新しいiphone": ["glued"],
    # more words than are looked up
    "one two three four five six seven eight nine ten": ["counting"],
    "one two three four five six seven eight nine eleven": [],
    "two thr ten": ["counting"],
    "ne wo": [],
}
# On the examples: the document that a reader means, by how its title begins.
MEANT = {
    "ferry timetable": "Winter Timetable of the Otter Point Ferry",
    "bandstand": "Save the Bandstand",
    "pumpkin scales": "A Pumpkin, a Pig and Eleven Brass Bands",
    "salt marsh curlew": "Field Diary of the Salt Marsh Survey",
    "chowder": "Smoked Herring Chowder",
    "library sundays": "Council Keeps the Library",
    "oldest spade": "The Oldest Spade in the County",
    "regatta numbers": "The Lantern Regatta in Numbers",
    "clinker boat": "How to Mend a Clinker Boat",
    "flood gate": "The Flood Gate Opens on Sunday",
    "otter": "Otter",
    "carta muelle": "Carta desde el otro muelle",
    '"look at the mole"': "Winter Timetable of the Otter Point Ferry",
    "corrections policy": "Corrections Policy",
}


@pytest.fixture(scope="module", params=["not indexed", "indexed", "in part"])
def made(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    lake = Lake.open(str(tmp_path_factory.mktemp("search") / "lake"), create=True)
    if request.param == "in part":
        commit_documents(lake, table(*MADE[::2]))
        index(lake)
        commit_documents(lake, table(*MADE[1::2]))
    else:
        commit_documents(lake, table(*MADE))
    if request.param == "indexed":
        index(lake)
    publish(lake)
    return lake.root


@pytest.fixture(scope="module", params=[False, True], ids=["as ingested", "maintained"])
def examples(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    root = str(tmp_path_factory.mktemp("examples") / "lake")
    sources = tuple(str(EXAMPLES / name) for name in ("rest", "export", "pages", "notes"))
    ingest(IngestRequest(sources), Settings(lake=root, workers=1))
    if request.param:
        maintain(Settings(lake=root))
    return root


def found(lake: str, words: str | None, columns: str = "id") -> list[Any]:
    rows = query(lake, f"SELECT {columns} FROM search(?)", [words])
    return [next(iter(row.values())) for row in rows]


@pytest.mark.parametrize("words", TOP)
def test_the_documents_meant_come_in_the_order_meant(made: str, words: str) -> None:
    assert found(made, words) == TOP[words]


@pytest.mark.parametrize("words", MEANT)
def test_the_document_meant_comes_first_of_the_examples(examples: str, words: str) -> None:
    assert found(examples, words, "title")[0].startswith(MEANT[words])


@pytest.mark.parametrize("words", ["", "   ", "?!", '"', '""', "' OR 1=1 --", None, "(((", "\\.*", "%", "[a-z]+"])
def test_a_query_of_no_words_finds_nothing_and_breaks_nothing(made: str, words: str | None) -> None:
    assert found(made, words) == []


def test_every_hit_has_a_score_and_none_is_below_zero(made: str, examples: str) -> None:
    for lake, words in ((made, "the"), (examples, "the"), (examples, "a")):
        scores = found(lake, words, "score")
        assert scores and scores == sorted(scores, reverse=True) and min(scores) >= 0


def test_more_words_in_a_query_never_find_more(examples: str) -> None:
    one, two = set(found(examples, "ferry")), set(found(examples, "ferry harbour"))
    assert two < one


def test_literals_parameters_and_expressions_agree(made: str) -> None:
    literal = query(made, "SELECT id, score FROM search('tide')")
    assert literal == query(made, "SELECT id, score FROM search(?)", ["tide"])
    assert literal == query(made, "SELECT id, score FROM search('ti' || 'de')")


def test_search_works_in_the_sandbox(made: str) -> None:
    connection = connect(made)
    try:
        result = run_query(connection, "SELECT id FROM search('tide \"a second\"') LIMIT 3")
        assert [row for rows in result.rows() for row in rows] == [("short",)]
    finally:
        connection.close()


def test_an_older_duckdb_ranks_the_same(made: str) -> None:
    asked = ("SELECT id, score FROM search('tide')", "SELECT id, score FROM search('\"the school gate\"')")
    for sql in asked:
        there = older_duckdb(f"ATTACH '{made}/catalog.duckdb' AS c (READ_ONLY)", "USE c", sql, extensions=())
        assert there == [list(row.values()) for row in query(made, sql)]


def test_edits_and_removals_count_whether_indexed_or_not(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"), create=True)
    commit_documents(lake, table(row(1, "An anchor."), row(2, "An anchor, too."), row(3, "An anchor as well.")))
    index(lake)
    commit_documents(lake, table(row(1, "A buoy."), row(3, "An anchor as well.", deleted_at=datetime.now(UTC))))
    for _ in range(2):
        publish(lake)
        assert (found(lake.root, "anchor"), found(lake.root, "buoy")) == (["2"], ["1"])
        index(lake)


def test_only_what_is_new_is_indexed(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"), create=True)
    commit_documents(lake, table(row(1, "An anchor.")))
    assert (index(lake), index(lake)) == (1, 0)
    made = {path: path.stat().st_mtime_ns for path in Path(lake.root, "published").glob("[wl]*s-*")}
    commit_documents(lake, table(row(2, "A buoy.")))
    assert len(made) == 2 and index(lake) == 1
    assert made.items() <= {p: p.stat().st_mtime_ns for p in Path(lake.root, "published").glob("[wl]*s-*")}.items()


def test_a_lost_half_of_an_index_is_made_anew(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"), create=True)
    commit_documents(lake, table(row(1, "An anchor.")))
    index(lake)
    (data_file,) = data_files(lake.table("documents"))
    Path(lake.root, names(data_file)[1]).unlink()
    publish(lake)
    assert found(lake.root, "anchor") == ["1"]
    assert index(lake) == 1


def test_nothing_of_a_purged_document_stays_in_the_index(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"), create=True)
    commit_documents(lake, table(row(1, "An anchor."), row(2, "Xylographers.")))
    index(lake)
    publish(lake)
    purge(lake, find(lake, Target(site="example.org")))
    left = [path for path in Path(lake.root, "published").glob("words-*")]
    assert left == [] and found(lake.root, "anchor") == []


def test_an_empty_lake_finds_nothing(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"), create=True)
    publish(lake)
    assert found(lake.root, "tide") == []
