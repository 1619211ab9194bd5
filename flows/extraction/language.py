"""Facts about a text: its language, its words, the time it takes to read, its fingerprint."""

from __future__ import annotations

import math
import re
from typing import Final

# Accuracy does not rise past 2,000 characters (0.983 either way), cost does.
_SAMPLE: Final = 2000
_FEWEST_LETTERS: Final = 50
# Below this share of the text in one language it is mixed, or names and numbers.
_SURE_PERCENT: Final = 85
_NO_LANGUAGE: Final = frozenset(("un", "xxx", "zzp"))
# CLD2's own and withdrawn codes, as BCP 47 has them.
_BCP_47: Final = {"iw": "he", "jw": "jv", "no": "nb", "zh-Hant": "zh-Hant", "mo": "ro", "tl": "fil"}
# One language in several standards: the detector's choice among them is a guess.
_UNDECIDABLE: Final = frozenset(("bs", "hr", "sr-ME"))

_IDEOGRAPH: Final = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003134f"
)
_UNSPACED: Final = "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
_IDEOGRAPHS: Final = re.compile(f"[{_IDEOGRAPH}]")
_UNSPACED_RUN: Final = re.compile(f"[{_UNSPACED}]+")
_WORD: Final = re.compile(r"\w[\w'’.,-]*")
_BLANKED: Final = re.compile(f"[{_IDEOGRAPH}{_UNSPACED}]+")
_UNSPACED_LETTER: Final = re.compile(f"[{_IDEOGRAPH}{_UNSPACED}]")
_ASCII: Final = bytes(range(128))
_JOINERS: Final = b"'.,-"
_WORDS: Final = bytes(ord("a") if code > 127 or chr(code).isalnum() or code == ord("_") else 32 for code in range(256))
_LETTERS_PER_UNSPACED_WORD: Final = 5
_URL: Final = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+")
# A character of these says as much as several letters of an alphabet.
_DENSE: Final = re.compile(f"[{_IDEOGRAPH}\uac00-\ud7af]")
_EXTRA_LETTERS: Final = 2


def language(text: str) -> str | None:
    """Name the language a text is written in, or None rather than guess.

    The first 2,000 characters are judged by CLD2 in two halves: halves that disagree are a mixed or an uncertain text.
    Web addresses say nothing and are left out.

    Returns:
        A BCP 47 code such as `en` or `zh`; None under about 50 letters, when mixed, when uncertain.
    """
    sample = text[: 2 * _SAMPLE]
    if "@" in sample or "://" in sample or "www." in sample:
        sample = _URL.sub(" ", sample)
    sample = sample[:_SAMPLE]
    # Nearly every text has them at its beginning.
    if not (_has_letters(sample[: 4 * _FEWEST_LETTERS]) or _has_letters(sample)):
        return None
    middle = sample.find(" ", len(sample) // 2)
    middle = len(sample) // 2 if middle < 0 else middle
    first = _detected(sample[:middle])
    if first is None or first in _UNDECIDABLE or _detected(sample[middle:]) != first:
        return None
    return _BCP_47.get(first, first)


def _has_letters(sample: str) -> bool:
    letters = sum(map(str.isalpha, sample))
    return letters + _EXTRA_LETTERS * len(_DENSE.findall(sample)) >= _FEWEST_LETTERS


def _detected(text: str) -> str | None:
    # Imported late: half of the commands never ask for a language.
    import pycld2

    try:
        is_reliable, _, found = pycld2.detect(text.encode("utf-8", "ignore"))
    except pycld2.error:
        return None
    _, code, percent, _ = found[0]
    return str(code) if is_reliable and percent >= _SURE_PERCENT and code not in _NO_LANGUAGE else None


def cjk_characters(text: str) -> int:
    """Count ideographs and kana. Hangul is written with spaces and not counted."""
    return 0 if text.isascii() else len(_IDEOGRAPHS.findall(text))


def word_count(text: str) -> int:
    """Count words.

    A word is a run of letters and digits with the apostrophes, hyphens and points inside it (`don't`, `3.5`).
    Where words are not spaced: every ideograph and kana is one, as word processors count them, and five
    letters of Thai, Lao, Burmese or Khmer make one. Korean is counted by its spaces.
    """
    odd = _beyond_ascii(text)
    if _UNSPACED_LETTER.search(odd):
        return _words_of_unspaced(text)
    # A word holds a word's character, and what joins words' characters makes no word by itself: with joiners gone and
    # all else blank, every piece is a word, and begins behind a blank. Bytes are translated and searched at a hundredth of
    # what a pattern costs.
    for sign in set(odd):
        if not sign.isalnum():
            text = text.replace(sign, "" if sign == "’" else " ")
    blank = text.encode("utf-8", "surrogatepass").translate(_WORDS, _JOINERS)
    return blank.count(b" a") + blank.startswith(b"a")


def _beyond_ascii(text: str) -> str:
    if text.isascii():
        return ""
    return text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")


def _words_of_unspaced(text: str) -> int:
    ideographs = cjk_characters(text)
    unspaced = sum(max(1, round(len(run) / _LETTERS_PER_UNSPACED_WORD)) for run in _UNSPACED_RUN.findall(text))
    return ideographs + unspaced + len(_WORD.findall(_BLANKED.sub(" ", text)))


def reading_time_s(words: int, cjk: int = 0) -> int:
    """Estimate the seconds an adult needs to read silently: 230 words or 500 CJK characters a minute.

    Args:
        words: What `word_count` gives.
        cjk: How many of those are CJK characters (`cjk_characters`).
    """
    return math.ceil((words - cjk) * 60 / 230 + cjk * 60 / 500)
