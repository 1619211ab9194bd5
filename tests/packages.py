"""E-books and word processors' files, made part by part."""

from __future__ import annotations

import io
import zipfile

CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
ABOUT = (
    "<dc:title>The Harbour Book</dc:title><dc:creator>Mina Reyes</dc:creator><dc:creator>Ada Finch</dc:creator>"
    "<dc:language>en-GB</dc:language><dc:date>2021-03-04</dc:date><dc:identifier>urn:isbn:9780000000001</dc:identifier>"
    "<dc:publisher>Quay Press</dc:publisher><dc:subject>Harbours</dc:subject>"
    '<meta property="dcterms:modified">2022-05-06T07:08:09Z</meta>'
)


def parts(members: dict[str, str | bytes], *, stored: str = "") -> bytes:
    """Return a zip file; the member called ``stored`` comes as it is, the others compressed."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data, zipfile.ZIP_STORED if name == stored else None)
    return target.getvalue()


def chapter(title: str, body: str, more: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
        f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{title}</title><link href="a.css"/>{more}</head>'
        f"<body>{body}</body></html>"
    )


def epub(chapters: dict[str, str | bytes], about: str = ABOUT, **more: str | bytes) -> bytes:
    """Return an e-book whose chapters come in the given order, stored in another."""
    items = "".join(
        f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    opf = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{about}</metadata><manifest>'
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        f'{items}</manifest><spine><itemref idref="nav"/>{spine}</spine></package>'
    )
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OEBPS/book.opf": opf,
        "OEBPS/nav.xhtml": chapter("Contents", "<nav><ol><li>One</li></ol></nav>"),
        **{f"OEBPS/{name}": data for name, data in reversed(chapters.items())}, **more,
    }  # fmt: skip
    return parts(members, stored="mimetype")


_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>'
)
_LINKS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="r9" Type="{_OFFICE}/hyperlink" Target="https://h.example/tides" TargetMode="External"/>'
    "</Relationships>"
)
_CORE = (
    '<?xml version="1.0"?><cp:coreProperties xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
    ' xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<dc:title>Tides</dc:title><dc:creator>Mina Reyes; Ada Finch</dc:creator><cp:keywords>sea, moon</cp:keywords>"
    '<dcterms:created xsi:type="dcterms:W3CDTF">2020-01-02T03:04:05Z</dcterms:created>'
    '<dcterms:modified xsi:type="dcterms:W3CDTF">2021-01-02T03:04:05Z</dcterms:modified>'
    "<cp:revision>7</cp:revision></cp:coreProperties>"
)


def paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def table(*rows: tuple[str, ...]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def docx(body: str, **more: str | bytes) -> bytes:
    document = (
        '<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
        f' xmlns:r="{_OFFICE}"><w:body>{body}</w:body></w:document>'
    )
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES, "_rels/.rels": _RELATIONS, "word/document.xml": document,
        "word/_rels/document.xml.rels": _LINKS, "docProps/core.xml": _CORE, **more,
    }  # fmt: skip
    return parts(members)
