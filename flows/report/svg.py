"""Vega's SVG made fit for a page: only known shapes and attributes, no scripts, fonts or ids, words on hover.

Colours stay names of CSS variables, so the page's style decides them, also when dark and light change over.
"""

from __future__ import annotations

import re
from html import escape

from lxml import etree

_SHAPES = {"g", "path", "line", "rect", "text", "tspan"}
_ATTRIBUTES = {
    "d", "transform", "fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity", "x", "y", "x2",
    "y2", "dx", "dy", "width", "height", "text-anchor", "font-size", "font-weight",
}  # fmt: skip
_DEFAULTS = {("opacity", "1"), ("stroke-width", "1"), ("transform", "translate(0,0)"), ("fill", "none")}
_COLOUR = re.compile(r"none|transparent|var\(--[a-z0-9-]+\)")
_DECIMALS = re.compile(r"-?\d+\.\d+(e-?\d+)?")


def tidy(svg: str, *, kind: str, label: str) -> str:
    """Return an inline SVG of what Vega drew.

    Args:
        svg: as vl-convert returns it.
        kind: the class that the page's style shows or hides it by.
        label: what it says, for those who do not see it.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    root = etree.fromstring(svg.encode("utf-8"), parser)
    width, height = root.get("width"), root.get("height")
    drawn = "".join(_shape(child) for child in root)
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' aria-label="{escape(label)}">{drawn}</svg>'
    )


def _shape(element: etree._Element) -> str:
    if not isinstance(element.tag, str):
        return ""
    tag = etree.QName(element).localname
    if tag not in _SHAPES or element.get("display") == "none" or element.get("class") in ("background", "foreground"):
        return ""
    attributes = "".join(f' {name}="{value}"' for name, value in _kept(element))
    inside = escape(element.text or "", quote=False) if tag in ("text", "tspan") else ""
    inside = _title(element) + inside + "".join(_shape(child) for child in element)
    if tag == "g" and (not inside or not attributes):
        return inside
    return f"<{tag}{attributes}>{inside}</{tag}>" if inside else f"<{tag}{attributes}/>"


def _title(element: etree._Element) -> str:
    words = element.get("aria-label")
    if not words or element.get("role") != "graphics-symbol" or "axis" in element.get("aria-roledescription", ""):
        return ""
    return f"<title>{escape(words, quote=False)}</title>"


def _kept(element: etree._Element) -> list[tuple[str, str]]:
    found = []
    for name, given in element.attrib.items():
        value = _DECIMALS.sub(_rounded, str(given))
        if name not in _ATTRIBUTES or (name, value) in _DEFAULTS:
            continue
        if name in ("fill", "stroke") and not _COLOUR.fullmatch(value):
            continue
        found.append((str(name), escape(value)))
    return found


def _rounded(found: re.Match[str]) -> str:
    text = f"{float(found[0]):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
