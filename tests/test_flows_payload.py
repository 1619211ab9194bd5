"""JSON as dumps and sites really send it: exact bytes, whole records kept, breaks named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.readers.payload import decode, decode_text, in_utf8, lines, salvage, slices
from schemas.errors import RecordError

ODD = b'{ "id" : 7,\t"title":"caf\\u00e9 \\/ \xc3\xa9" , "n":1.50}'
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), JSON_VALUES, max_size=4)


def test_a_list_gives_the_exact_bytes_of_each_record() -> None:
    second = b'{"id":8,"z":[1, 2]}'
    found = slices(b" [\n" + ODD + b" ,\r\n" + second + b"\n]\n")
    assert (found.records, found.is_list, found.broken) == ([ODD, second], True, None)


def test_a_single_object_gives_its_exact_bytes() -> None:
    found = slices(b"\n" + ODD + b"\n\n")
    assert (found.records, found.is_list, found.broken) == ([ODD], False, None)


def test_an_empty_list_holds_no_record_and_is_whole() -> None:
    assert slices(b"[]") == slices(b" [ ] ")
    assert (slices(b"[]").records, slices(b"[]").broken) == ([], None)


def test_newline_delimited_objects_give_one_record_a_line() -> None:
    second = b'{"id": 8}'
    found = slices(ODD + b"\r\n\r\n" + second + b"\n")
    assert (found.records, found.broken) == ([ODD, second], None)


def test_lists_one_after_another_are_read_as_one() -> None:
    found = slices(b'[{"id":1},{"id":2}]\n[{"id":3}]\n[]\n')
    assert found.records == [b'{"id":1}', b'{"id":2}', b'{"id":3}']
    assert found.broken is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_record(encoding: str) -> None:
    value = [{"id": 1, "title": "Žofín — 20 °C"}]
    found = slices((json.dumps(value, ensure_ascii=False) + "\n").encode(encoding))
    assert found.broken is None
    assert [decode(record) for record in found.records] == value


def test_big_endian_utf_16_with_a_last_line_break_is_whole() -> None:
    found = slices(b"\xfe\xff" + '{"id": 1, "title": "ö"}\n'.encode("utf-16-be"))
    assert found.broken is None
    assert decode(found.records[0]) == {"id": 1, "title": "ö"}


@given(st.lists(OBJECTS, min_size=1, max_size=4), st.sampled_from([None, 0, 2]), st.booleans())
def test_every_list_is_cut_into_what_it_was_made_of(values: list, indent: int | None, is_ascii: bool) -> None:
    parts = [json.dumps(value, indent=indent, ensure_ascii=is_ascii).encode() for value in values]
    for text in (b"[" + b",".join(parts) + b"]", b"\n".join(parts)):
        found = slices(text)
        assert found.broken is None
        assert found.records == parts


@given(st.lists(OBJECTS.filter(bool), min_size=1, max_size=3), st.data())
def test_a_list_cut_anywhere_keeps_whole_records_and_says_that_it_is_cut(values: list, data: st.DataObject) -> None:
    parts = [json.dumps(value).encode() for value in values]
    text = b"[" + b", ".join(parts) + b"]"
    cut = data.draw(st.integers(1, len(text) - 1))
    found = slices(text[:cut])
    assert found.broken is not None
    assert found.broken.reason == "truncated_json"
    assert found.records == parts[: len(found.records)]
    whole = sum(cut >= 1 + sum(len(p) + 2 for p in parts[:n]) + len(parts[n]) for n in range(len(parts)))
    assert len(found.records) == whole


def test_a_cut_object_is_truncated_and_kept_as_the_rest() -> None:
    cut = b'{"id": 7, "title": "The fer'
    found = slices(cut)
    assert (found.records, found.rest) == ([], cut)
    assert found.broken is not None
    assert found.broken.reason == "truncated_json"


def test_trailing_garbage_costs_no_record() -> None:
    found = slices(ODD + b"\n<!-- 48 queries in 0.3 s -->")
    assert found.records == [ODD]
    assert found.broken is not None
    assert (found.broken.reason, found.rest) == ("invalid_json", b"<!-- 48 queries in 0.3 s -->")


def test_an_error_says_where_the_json_is_broken() -> None:
    found = slices(b'[{"id": 1},\n {"id": oops}]')
    assert found.records == [b'{"id": 1}']
    assert found.broken is not None
    assert found.broken.reason == "invalid_json"
    assert "line 2, column 9" in found.broken.message


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000])
def test_deep_nesting_is_an_error_not_a_crash(text: bytes) -> None:
    found = slices(text)
    assert found.broken is not None
    assert found.broken.reason in ("nested_too_deep", "truncated_json")
    with pytest.raises(RecordError):
        decode(text)


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (rb'{"a": "x\ud83d"}', {"a": "x\ufffd"}),
        (rb'{"a": "\udc00x"}', {"a": "\ufffdx"}),
        (rb'{"a": "\ud83d\ude00 \ud83d"}', {"a": "\U0001f600 \ufffd"}),
        (rb'{"a": "C:\\ud800 \ud800"}', {"a": "C:\\ud800 \ufffd"}),
        (b'{"a": "line\nbreak \x01"}', {"a": "line\nbreak \x01"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": "ö"}'.encode("cp1252"), {"a": "ö"}),
        ('{"a": "ö"}'.encode("utf-16"), {"a": "ö"}),
        ('{"a": "naïve – ö'.encode() + b'\xe9"}', {"a": "naïve – ö\ufffd"}),
    ],
)
def test_decoding_replaces_what_is_no_character_and_refuses_nothing_else(payload: bytes, value: object) -> None:
    assert decode(payload) == value
    json.dumps(decode(payload), ensure_ascii=False).encode()  # no half of a surrogate pair is left


@pytest.mark.parametrize("payload", [b"", b"nothing", b"<html></html>", b"{'a': 1}", b'{"a": 1'])
def test_what_is_no_json_is_a_record_error(payload: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        decode(payload)
    assert caught.value.reason in ("invalid_json", "truncated_json")


@given(st.text())
def test_utf_8_text_is_decoded_as_it_is(text: str) -> None:
    if not text.startswith("\ufeff"):
        assert decode_text(text.encode()) == text


def test_windows_text_is_told_from_utf_8_with_a_stray_byte() -> None:
    assert decode_text("“café” – 5 €".encode("cp1252")) == "“café” – 5 €"
    assert decode_text("ça a été là".encode() + b"\xff") == "ça a été là\ufffd"


def test_utf_16_is_turned_to_utf_8_whatever_the_pieces() -> None:
    text = "Übersee 🌊 ferry"
    data = text.encode("utf-16")
    for size in (1, 2, 3, 7, 100):
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        if size > 1:
            assert b"".join(in_utf8(pieces)).decode() == text
    assert list(in_utf8([b"plain", b"bytes"])) == [b"plain", b"bytes"]
    assert b"".join(in_utf8([])) == b""


PHP = b"<br />\n<b>Warning</b>: Undefined array key [0] in <b>/srv/x.php</b> on line <b>7</b><br />\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"\xef\xbb\xbf\n\n", b""),
        (PHP, b""),
        (b"Notice: {oops} in x.php\n", b"\n<!-- cached at 10:00 -->"),
        (b"<!-- a [note] -->", b"<script>var a = [];</script>"),
    ],
)
def test_json_is_found_inside_a_polluted_answer(before: bytes, after: bytes) -> None:
    one, many = b'{"id":1,"code":"x"}', b'[{"id":1},{"id":2}]'
    assert salvage(before + many + after, list) == (many, salvage(before + many + after, list)[1])  # type: ignore[index]
    found = salvage(before + one + after, dict)
    assert found is not None
    assert found[0] == one


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Checking your browser</body></html>",
        b"[1, 2, 3]",
        b"[]",
        b"text [{] more",
        b"[" * 9999,
    ],
)
def test_nothing_is_salvaged_from_what_holds_no_records(body: bytes) -> None:
    assert salvage(body, list) is None


@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b" ")), max_size=6), st.integers(1, 9))
def test_lines_do_not_depend_on_the_pieces(rows: list[bytes], size: int) -> None:
    data = b"\n".join(rows)
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    assert list(lines(pieces, 1 << 20)) == [row for row in rows if row.strip()]
