"""The prompt as a process: a script through a pipe, and a person at a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import stat
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_warehouse_query import document

from flows.prompt import Completer, Session, history_path, is_complete
from schemas.errors import UsageError
from schemas.rules import validate
from schemas.tables import DOCUMENTS
from warehouse import catalog, commit
from warehouse.lake import Lake
from warehouse.tabular import text_width

# The first terminal that a session opens becomes its own: only then does Ctrl-C reach it.
AT_TERMINAL = "import os\nt = os.open(os.environ['TERMINAL'], os.O_RDWR)\nfor n in (0, 1, 2): os.dup2(t, n)\n"
RUN = "import sys; from flows.prompt import prompt; sys.exit(prompt(sys.argv[1]))"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = Lake.open(str(tmp_path_factory.mktemp("prompt") / "lake"), create=True)
    rows, _, _ = validate(DOCUMENTS, [document(n) for n in range(1, 4)])
    commit.commit_documents(made, rows)
    catalog.publish(made)
    return made


def script(lake: Lake, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", RUN, lake.root], input=text, capture_output=True, text=True)


def test_a_script_is_run_without_prompts(lake: Lake) -> None:
    done = script(lake, ".format csv\nSELECT id,\n  title\nFROM documents\nORDER BY id; SELECT 2\n;\nSELECT 'a;b' AS x")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2\n2\nx\na;b\n"


def test_errors_are_one_line_and_the_script_goes_on(lake: Lake) -> None:
    done = script(
        lake, "FROM nowhere;\nDROP VIEW documents;\n.format xml\n.what\n.schema nowhere\nSELECT 7 AS seven;\n"
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 5 and "Traceback" not in done.stderr
    assert "seven" in done.stdout


@pytest.mark.parametrize("text", ["", "\n\n", ";", ";;\n;", "-- nothing", ".quit\nSELECT x;", "\x00", "\xff;"])
def test_strange_scripts_do_not_crash(lake: Lake, text: str) -> None:
    done = script(lake, text)
    assert done.returncode in (0, 2) and "Traceback" not in done.stderr


def test_commands_tell_what_there_is(lake: Lake) -> None:
    done = script(lake, ".views\n.schema sites\n.schema\n.help\n.format jsonl\nSELECT 1 AS a;")
    assert done.returncode == 0, done.stderr
    for words in ("documents", "search(query)", "Documents public now.", "last_run_at", ".quit", '{"a": 1}'):
        assert words in done.stdout


def test_without_a_catalog_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="presslake publish"):
        Session(str(tmp_path))


@pytest.mark.parametrize(
    ("sql", "complete"),
    [("SELECT 1;", True), ("SELECT 1", False), ("SELECT 'a;", False), ("SELECT 1 -- x;", False),
     ("SELECT 1; -- x", True),
     ("SELECT '中;\n';\n", True), ('SELECT "a;', False), ("/* ;", False), ("SELECT $$;", False),
     ("SELECT 1;;", True)],
)  # fmt: skip
def test_a_statement_ends_at_its_semicolon(sql: str, complete: bool) -> None:
    assert is_complete(sql) is complete


def test_tab_offers_names_and_keywords(lake: Lake) -> None:
    session = Session(lake)
    complete = Completer(session)
    assert {"documents", "document_versions"} <= set(complete.candidates("docu"))
    assert "search" in complete.candidates("sea") and "word_count" in complete.candidates("word")
    assert complete.candidates("sel") == ["select"] and complete.candidates("SEL") == ["SELECT"]
    assert "d.published_at" in complete.candidates("d.publ")
    assert complete.candidates(".v") == [".views"]
    assert [complete("sel", 0), complete("sel", 1)] == ["select", None]
    session.close()


def test_a_newer_catalog_is_taken_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = Lake.open(str(tmp_path / "lake"), create=True)
    catalog.publish(lake)
    session = Session(lake)
    rows, _, _ = validate(DOCUMENTS, [document(1)])
    commit.commit_documents(lake, rows)
    catalog.publish(lake)
    session.format = "jsonl"
    session.feed("SELECT count(*) AS n FROM documents;")
    session.close()
    assert capsys.readouterr().out == '{"n": 1}\n'


def test_history_goes_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert history_path() == tmp_path / "presslake" / "history"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert history_path() == tmp_path / ".local" / "state" / "presslake" / "history"


# What a terminal showed after the words that were waited for: the next wait begins with it.
UNREAD: dict[int, bytes] = {}


def wait_for(terminal: int, words: bytes, seconds: float) -> tuple[bool, bytes]:
    """Tell whether the words appear in time, and what was shown until then."""
    shown = UNREAD.pop(terminal, b"")
    end = time.monotonic() + seconds
    while words not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        if not ready:
            return False, shown
        shown += os.read(terminal, 4096)
    before, found, UNREAD[terminal] = shown.partition(words)
    return True, before + found


def until(terminal: int, words: str, seconds: float = 150) -> str:
    """Return what the terminal shows until the words appear."""
    found, shown = wait_for(terminal, words.encode(), seconds)
    assert found, f"no {words!r} in {shown!r}"
    return shown.decode(errors="replace")


def at_terminal(lake: Lake, state: Path, conversation: Callable[[int], None], columns: int = 80) -> None:
    """Hold a conversation with a prompt at a terminal of so many columns, which must end it well."""
    terminal, far_end = pty.openpty()
    UNREAD.clear()
    fcntl.ioctl(far_end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    env |= {"XDG_STATE_HOME": str(state), "TERM": "xterm", "PYTHONPATH": os.getcwd()}
    # Not pty.fork: between fork and exec it runs Python, which can hang in a process with the lake's threads.
    person = subprocess.Popen(
        [sys.executable, "-c", AT_TERMINAL + RUN, lake.root], env={**env, "TERMINAL": os.ttyname(far_end)},
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        conversation(terminal)
        assert person.wait(60) == 0
    finally:
        person.kill()
        person.wait()
        os.close(terminal)
        os.close(far_end)


def test_a_person_at_a_terminal(lake: Lake, tmp_path: Path) -> None:
    at_terminal(lake, tmp_path, converse)
    history = tmp_path / "presslake" / "history"
    assert "answer" in history.read_text() and stat.S_IMODE(history.stat().st_mode) == 0o600


def converse(terminal: int) -> None:
    """Type as a person would, and wait for what should show."""
    until(terminal, "presslake> ")
    os.write(terminal, b"SELECT 40 +\n")
    until(terminal, "...> ")
    os.write(terminal, b"2 AS answer;\n")
    assert "42" in until(terminal, "1 row")
    os.write(terminal, b"SELECT garbage\n")
    until(terminal, "...> ")
    interrupt(terminal)  # Ctrl-C clears the line
    os.write(terminal, b"SELECT max(word_co\t) FROM documents;\n")
    until(terminal, "max(word_count)")
    until(terminal, "1 row")
    until(terminal, "presslake> ")
    os.write(terminal, b"SELECT count(*) FROM range(1000000000000) a, range(1000) b WHERE a.range % 7 = b.range;\n")
    interrupt(terminal)  # ... and stops a query
    os.write(terminal, b"SELECT 'still' || 'here';\n")
    until(terminal, "stillhere")
    until(terminal, "presslake> ")
    os.write(terminal, b"\x04")  # Ctrl-D leaves


def interrupt(terminal: int) -> None:
    """Press Ctrl-C until there is a prompt: on a busy machine the first one may come too early.

    Not at once: pressed together with other keys, it takes them out of readline's hands, which waits for the next one.
    """
    for attempt in range(10):
        time.sleep(2)
        os.write(terminal, b"\x03")
        if wait_for(terminal, b"presslake> ", 2 + attempt)[0]:
            return
    raise AssertionError("Ctrl-C brings no prompt")


def test_the_commands_the_names_and_the_memory_of_a_prompt(lake: Lake, tmp_path: Path) -> None:
    at_terminal(lake, tmp_path, look_around)
    at_terminal(lake, tmp_path, recall)


def look_around(terminal: int) -> None:
    until(terminal, "presslake> ")
    for command, shown in (
        (".views", "Macro: FROM search"), (".schema documents", "word_count"), (".help", "Ctrl-D leaves"),
        (".shell id", "There is no command .shell"), (".read /etc/passwd", "There is no command .read"),
        (".open x", "There is no command .open"), ("DROP VIEW documents;", "refuses DROP"),
    ):  # fmt: skip
        os.write(terminal, command.encode() + b"\n")
        until(terminal, shown)
        until(terminal, "presslake> ")
    os.write(terminal, b"FROM publishi\t LIMIT 1;\n")  # Tab completes a view
    assert "publishing_daily" in until(terminal, "1 row")
    until(terminal, "presslake> ")
    os.write(terminal, b"SELECT 'of two\n")
    until(terminal, "...> ")
    os.write(terminal, b"lines' AS kept;\n")
    until(terminal, "of two lines")
    until(terminal, "presslake> ")
    os.write(terminal, b"SELECT 'half\n")
    until(terminal, "...> ")
    os.write(terminal, b"\x04")  # Ctrl-D leaves, also amid a statement


def recall(terminal: int) -> None:
    until(terminal, "presslake> ")
    os.write(terminal, b"\x1b[A" * 3 + b"\n")  # what an earlier prompt was told: Up, three statements back
    assert "publishing_daily" in until(terminal, "1 row")
    until(terminal, "presslake> ")
    os.write(terminal, b"\x1b[A" * 3 + b"\n")  # one of two lines comes back whole
    until(terminal, "of two lines")
    until(terminal, "1 row")
    until(terminal, "presslake> ")
    os.write(terminal, b"SELECT 'un' ||\n")
    until(terminal, "...> ")
    interrupt(terminal)  # what is cleared amid a statement is remembered, too
    os.write(terminal, b"\x1b[A 'mended';\n")
    until(terminal, "unmended")
    until(terminal, "presslake> ")
    os.write(terminal, b".quit\n")


WIDE = """
    SELECT '中文' || repeat('长', 40) AS wide, NULL AS nothing, repeat('word ', 60) AS long, 123456789 AS n,
    TIMESTAMPTZ '2026-04-11 02:13:05+00' AS at, [{'a': 1, 'b': NULL}] AS nested, '👩‍👩‍👧 é' AS signs;
"""


@pytest.mark.parametrize("columns", [80, 200])
def test_a_table_fits_the_terminal(lake: Lake, tmp_path: Path, columns: int) -> None:
    seen: list[str] = []

    def ask(terminal: int) -> None:
        until(terminal, "presslake> ")
        os.write(terminal, " ".join(WIDE.split()).encode() + b"\n")
        seen.append(until(terminal, "1 row"))
        for sql, footer in (("FROM documents WHERE false", "0 rows"), ("FROM range(5000)", "4,000 more are not shown")):
            until(terminal, "presslake> ")
            os.write(terminal, sql.encode() + b";\n")
            until(terminal, footer)
        until(terminal, "presslake> ")
        os.write(terminal, b"\x04")

    at_terminal(lake, tmp_path, ask, columns)
    # The line above the footer, the rule, and the heads; what was typed comes before.
    head, rule, row = re.sub(r"\x1b\[[\d;?]*[a-z]", "", seen[0]).split("\r\n")[-4:-1]
    assert columns - 12 < text_width(rule) <= columns and max(map(text_width, (head, row))) <= columns
    assert set(rule) == {"─", " "} and row.startswith("中文长") and "NULL" in row
    assert "2026-04-11 02:13" in row and ("[{a: 1, b: null}]" in row) == (columns == 200)


def test_it_needs_no_heavy_library() -> None:
    code = "import sys, flows.prompt; assert not {'rich', 'pyarrow', 'deltalake', 'prefect'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
