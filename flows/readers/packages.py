"""Documents that are zip files of parts: e-books (EPUB 2 and 3) and word processors' files (DOCX).

Each is read from memory, part by part; what it unpacks to is known before anything is unpacked.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape, unescape
from typing import Any
from urllib.parse import unquote
from xml.parsers.expat import ExpatError

from lxml import etree
from lxml import html as lxml_html

from flows.readers.xmltext import clean, decode_xml, parse, parse_leniently
from schemas.errors import RecordError

EPUB = "application/epub+zip"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
# A part that only such a document has. The order of parts and their compression vary from one program to the next.
_TELLING = {"META-INF/container.xml": EPUB, "word/document.xml": DOCX}
_OFFICE = ("[Content_Types].xml", "mimetype")
_TEXT_PARTS = (".xml", ".rels", ".opf", ".xhtml", ".html", ".htm", ".ncx")
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, ExpatError)


@dataclass(frozen=True, slots=True)
class Package:
    """What a document holds: its content as HTML, and what it says about itself by the names of front matter."""

    html: str
    metadata: dict[str, Any]


def package_kind(names: Iterable[str]) -> str | None:
    """Tell by the names in a zip file which document it is: its media type, empty for one that is not read, or None."""
    names = set(names)
    found = next((kind for part, kind in _TELLING.items() if part in names), None)
    return "" if found is None and names.intersection(_OFFICE) else found


def read_package(payload: bytes, kind: str) -> Package:
    """Return what a document holds.

    Raises:
        RecordError: it is damaged or encrypted.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as parts:
            return _book(parts) if kind == EPUB else _letter(parts)
    except KeyError as missing:
        raise RecordError("broken_package", f"The document is damaged: {missing.args[0]}") from missing
    except _BROKEN as error:
        raise RecordError("broken_package", f"The document is damaged: {error or type(error).__name__}.") from error


def text_bytes(payload: bytes) -> int:
    """Return how many bytes of text a package unpacks to, as its directory says; zipfile never unpacks more."""
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as parts:
            return sum(part.file_size for part in parts.infolist() if _is_text(part.filename))
    except _BROKEN as error:
        raise RecordError("broken_package", f"The document is damaged: {error or type(error).__name__}.") from error


# -- e-books -----------------------------------------------------------------------------------------------------------


def _book(parts: zipfile.ZipFile) -> Package:
    container = _xml(parts, "META-INF/container.xml")
    address = next((e.get("full-path") for e in container.iter("{*}rootfile") if e.get("full-path")), None)
    if address is None:
        raise RecordError("broken_package", "The e-book names no package document.")
    opf, folder = _xml(parts, address), posixpath.dirname(address)
    items = {item.get("id"): item for item in opf.iter("{*}item")}
    spine = [items[ref.get("idref")] for ref in opf.iter("{*}itemref") if ref.get("idref") in items]
    locked = _locked(parts)
    chapters, missing = [], []
    for item in spine:
        if "nav" in (item.get("properties") or "").split() or "html" not in (item.get("media-type") or "html"):
            continue
        name = posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "").split("#")[0]))
        if name in locked:
            raise RecordError("encrypted", "The e-book is encrypted.")
        try:
            chapters.append(_body(_text(parts, name)))
        except KeyError:
            missing.append(name)
    if not chapters:
        raise RecordError("broken_package", "The e-book holds no chapter.")
    metadata = _about_book(opf)
    return Package("\n".join(chapters), metadata | ({"missing_chapters": missing} if missing else {}))


def _locked(parts: zipfile.ZipFile) -> set[str]:
    """Return the names of encrypted parts. Fonts are often scrambled in books that are open."""
    if "META-INF/encryption.xml" not in parts.namelist():
        return set()
    return {unquote(e.get("URI") or "") for e in _xml(parts, "META-INF/encryption.xml").iter("{*}CipherReference")}


def _body(chapter: bytes) -> str:
    """Return what is inside a chapter's body, as HTML: XHTML closes elements in a way that HTML does not know."""
    text = _ENTITY.sub(_character, clean(decode_xml(chapter).encode("utf-8", "replace")))
    if not text.strip():
        return ""
    try:
        tree = parse(text)
        lxml_html.xhtml_to_html(tree)
    except RecordError:
        tree = lxml_html.document_fromstring(text.encode(), lxml_html.HTMLParser(encoding="utf-8", huge_tree=True))
    body = next(tree.iter("body"), tree)
    inner = [etree.tostring(child, encoding="unicode", method="html") for child in body]
    return f"<section>{escape(body.text or '', quote=False)}{''.join(inner)}</section>"


def _character(match: re.Match[str]) -> str:
    return match[0] if match[1] in ("amp", "lt", "gt", "quot", "apos") else unescape(match[0])


def _about_book(opf: Any) -> dict[str, Any]:
    """Return Dublin Core's elements by the names of front matter; the others keep theirs."""
    found: dict[str, list[str]] = {}
    for element in opf.iter("{http://purl.org/dc/elements/1.1/}*"):
        text = " ".join("".join(element.itertext()).split())
        if text:
            found.setdefault(etree.QName(element).localname, []).append(text)
    modified = next((e.text for e in opf.iter("{*}meta") if e.get("property") == "dcterms:modified"), None)
    known = {
        "title": _first(found.pop("title", [])), "authors": found.pop("creator", []), "tags": found.pop("subject", []),
        "language": _first(found.pop("language", [])), "description": _first(found.pop("description", [])),
        "date": _first(found.pop("date", [])), "updated": modified,
        "url": next((i for i in found.get("identifier", ()) if i.startswith(("http://", "https://"))), None),
    }  # fmt: skip
    rest = {key: values[0] if len(values) == 1 else values for key, values in found.items()}
    return {key: value for key, value in known.items() if value} | rest


def _first(values: list[str]) -> str | None:
    return values[0] if values else None


# -- word processors ---------------------------------------------------------------------------------------------------

_CORE = {
    "title": "title", "creator": "authors", "keywords": "tags", "category": "categories", "description": "description",
    "language": "language", "created": "date", "modified": "updated",
}  # fmt: skip


def _letter(parts: zipfile.ZipFile) -> Package:
    import mammoth  # type: ignore[import-untyped]

    # It opens any part that a letter names as one of its own, so it is given no others than those counted.
    texts = io.BytesIO()
    with zipfile.ZipFile(texts, "w") as bare:
        for name in dict.fromkeys(filter(_is_text, parts.namelist())):
            bare.writestr(name, parts.read(name))
    # Pictures are left where they are: as data they would be most of the text.
    made = mammoth.convert_to_html(
        texts,
        convert_image=lambda image: [],
        style_map="p.Title => h1:fresh\np[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => h2:fresh",
    )
    metadata: dict[str, Any] = {}
    if "docProps/core.xml" in parts.namelist():
        for element in _xml(parts, "docProps/core.xml").iterchildren("{*}*"):
            key, text = etree.QName(element).localname, " ".join("".join(element.itertext()).split())
            if text:
                metadata[_CORE.get(key, key)] = text
    for key, separators in (("authors", ";"), ("tags", ",;")):
        if key in metadata:
            listed = metadata[key].translate(str.maketrans(separators, ";" * len(separators))).split(";")
            metadata[key] = [part.strip() for part in listed if part.strip()]
    return Package(made.value, metadata)


def _text(parts: zipfile.ZipFile, name: str) -> bytes:
    if not _is_text(name):
        raise RecordError("broken_package", f"The document is damaged: {name} is no part with text.")
    return parts.read(name)


def _is_text(name: str) -> bool:
    """Tell whether a part may be unpacked: only such are counted beforehand."""
    return name.lower().endswith(_TEXT_PARTS)


def _xml(parts: zipfile.ZipFile, name: str) -> Any:
    tree = parse_leniently(clean(_text(parts, name)))
    if tree is None:
        raise RecordError("broken_package", f"The document is damaged: {name} is not XML.")
    return tree
