"""Words, numbers and moments as a report shows them; text out of the lake made harmless to look at."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST = 180
_MARKS_IN_A_ROW = 4
_BROAD = frozenset("WMmw@%—…")
# What turns the writing direction round, hides, or is no character at all; a letter of it could upset a whole page.
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def clean(text: str | None, longest: int = _LONGEST) -> str:
    """Return text on one line, without control and direction characters, of bounded length; never empty."""
    # What is cut off anyway is not looked at letter by letter.
    one_line = " ".join(_HIDDEN.sub("", (text or "")[: longest * 8]).split())
    kept, marks = [], 0
    for letter in one_line:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks <= _MARKS_IN_A_ROW:
            kept.append(letter)
    return cut("".join(kept), longest) or "(blank)"


def cut(text: str, room: float) -> str:
    """Return text that takes at most ``room`` columns, with an ellipsis where it was cut."""
    if columns(text) <= room:
        return text
    kept, taken = [], columns("…")
    for letter in text:
        taken += _width(letter)
        if taken > room:
            break
        kept.append(letter)
    return "".join(kept).rstrip() + "…"


def columns(text: str) -> float:
    """Return about how many columns text takes, a small letter being one; rather too many than too few."""
    return sum(map(_width, text))


def _width(letter: str) -> float:
    if unicodedata.combining(letter):
        return 0
    if unicodedata.east_asian_width(letter) in "WF":
        return 2.1
    if letter in _BROAD:
        return 1.75
    return 1.2 if letter.isupper() else 1


def number(value: int) -> str:
    """Return a number with its thousands set apart."""
    return f"{value:,}"


def short_number(value: float) -> str:
    """Return a number of at most four figures: 950, 12.4k, 3.1M."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.1f}".removesuffix(".0") + unit
    return f"{value:g}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun, e.g. ``1 site`` or ``12 sites``."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """Return a part as a percentage that is never rounded to none or all."""
    if not whole:
        return "0%"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "under 1%"
    if 99 < percent < 100:
        return "over 99%"
    return f"{percent:.0f}%"


def day(moment: datetime | None) -> str:
    """Return a day, e.g. ``4 Mar 2024``."""
    return "" if moment is None else f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def minute(moment: datetime | None) -> str:
    """Return a moment to the minute, e.g. ``4 Mar 2024, 09:30 UTC``."""
    return "" if moment is None else f"{day(moment)}, {moment:%H:%M} UTC"


def language(code: str | None) -> str:
    """Return a language's English name, or its tag where it is not a common one."""
    if code is None:
        return "not certain"
    return LANGUAGES.get(code, clean(code, 24))


LANGUAGES = dict(
    pair.split("=")
    for pair in (
        "af=Afrikaans am=Amharic ar=Arabic az=Azerbaijani be=Belarusian bg=Bulgarian bn=Bengali bs=Bosnian ca=Catalan"
        " cs=Czech cy=Welsh da=Danish de=German el=Greek en=English eo=Esperanto es=Spanish et=Estonian eu=Basque"
        " fa=Persian fi=Finnish fr=French ga=Irish gl=Galician gu=Gujarati he=Hebrew hi=Hindi hr=Croatian hu=Hungarian"
        " hy=Armenian id=Indonesian is=Icelandic it=Italian ja=Japanese ka=Georgian kk=Kazakh km=Khmer kn=Kannada"
        " ko=Korean ku=Kurdish la=Latin lb=Luxembourgish lo=Lao lt=Lithuanian lv=Latvian mk=Macedonian ml=Malayalam"
        " mn=Mongolian mr=Marathi ms=Malay mt=Maltese my=Burmese nb=Norwegian ne=Nepali nl=Dutch nn=Norwegian no=Norwegian"
        " pa=Punjabi pl=Polish ps=Pashto pt=Portuguese ro=Romanian ru=Russian si=Sinhala sk=Slovak sl=Slovenian"
        " so=Somali sq=Albanian sr=Serbian sv=Swedish sw=Swahili ta=Tamil te=Telugu th=Thai tl=Tagalog tr=Turkish"
        " uk=Ukrainian ur=Urdu uz=Uzbek vi=Vietnamese yi=Yiddish zh=Chinese zu=Zulu"
    ).split()
)
"""Names of common languages by the first part of their BCP 47 tag."""
