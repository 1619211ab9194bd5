"""Bytes of a page to text, whatever encoding they claim."""

from __future__ import annotations

import codecs
import re
from typing import Final

_META: Final = re.compile(rb"<meta\b[^>]{0,400}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.I)
_XML: Final = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{2,40})", re.I)
_HEADER: Final = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.I)
_PRESCAN: Final = 8192
_SAMPLE: Final = 60_000
# The WHATWG's reading of labels: browsers decode the superset, so pages rely on it.
_SUPERSETS: Final = {
    "iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "euc_kr": "cp949", "tis-620": "cp874", "iso8859-11": "cp874", "big5": "big5hkscs",
}  # fmt: skip
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_TOLERATED: Final = 0.02
# Python's codecs of other uses: they take ever longer, or read escapes that no page means.
_NO_CHARSETS: Final = frozenset(("punycode", "unicode-escape", "raw-unicode-escape"))


def decode_html(data: bytes, content_type: str | None = None) -> str:
    """Decode a page: byte order mark, valid UTF-8, then what is declared, then detection; never raises.

    Valid UTF-8 outranks a declaration, because text in another encoding is practically never valid UTF-8
    while wrong declarations are common. Encodings made of ASCII bytes (ISO-2022-JP) are the exception.

    Args:
        data: The body.
        content_type: The `Content-Type` header.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    declared = _declared(data, content_type)
    if declared and declared.startswith(("iso2022", "hz", "utf-16", "utf-32", "utf-7")):
        return data.decode(declared, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    for candidate in (declared, "utf-8"):
        text = data.decode(candidate, "replace") if candidate else ""
        if text and text.count("\ufffd") <= _TOLERATED * max(50, _non_ascii(data)):
            return text
    return _detected(data)


def _declared(data: bytes, content_type: str | None) -> str | None:
    labels = _HEADER.findall(content_type or "")
    head = data[:_PRESCAN]
    labels += [match.group(1).decode() for match in (_META.search(head), _XML.search(head)) if match]
    for label in labels:
        try:
            name = codecs.lookup(label).name
            b"a".decode(name, "replace")
        except (LookupError, ValueError):  # an unknown name, or a codec that does not make text of anything
            continue
        if name.replace("_", "-") in _NO_CHARSETS:
            continue
        if name.startswith("utf-16") and b"<meta" in head:
            continue  # the declaration was read as ASCII, so it is wrong
        return _SUPERSETS.get(name, name)
    return None


def _non_ascii(data: bytes) -> int:
    return len(data) - len(data.decode("ascii", "ignore"))


def _detected(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_SAMPLE]).best()
    return data.decode(best.encoding if best else "cp1252", "replace")
