"""Facts about a text: its language, its words, the time it takes to read, its fingerprint."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from functools import cache
from typing import Any, Final

# Accuracy does not rise past 2,000 characters (0.983 either way), cost does.
_SAMPLE: Final = 2000
_FEWEST_LETTERS: Final = 50
# Mixed texts score about 0.6, lists of names 0.1, the closest pair of languages (Norwegian, Danish) 0.87.
_SURE: Final = 0.8
_SURE_WHEN_SHORT: Final = 0.85
_SHORT: Final = 300
_NO_LANGUAGE: Final = frozenset(("zxx", "und", "mul"))

_IDEOGRAPH: Final = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003134f"
)
_UNSPACED: Final = "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
_IDEOGRAPHS: Final = re.compile(f"[{_IDEOGRAPH}]")
_UNSPACED_RUN: Final = re.compile(f"[{_UNSPACED}]+")
_WORD: Final = re.compile(r"\w[\w'’.,-]*")
_BLANKED: Final = re.compile(f"[{_IDEOGRAPH}{_UNSPACED}]+")
_LETTERS_PER_UNSPACED_WORD: Final = 5
_URL: Final = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+")
# A character of these says as much as several letters of an alphabet.
_DENSE: Final = re.compile(f"[{_IDEOGRAPH}\uac00-\ud7af]")
_EXTRA_LETTERS: Final = 2


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language(text: str) -> str | None:
    """Name the language a text is written in, or None rather than guess.

    The first 2,000 characters are judged, in two halves when there are enough: halves that disagree are a
    mixed or an uncertain text. Web addresses say nothing and are left out.

    Returns:
        A BCP 47 code such as `en` or `zh`; None under about 50 letters, when mixed, when uncertain.
    """
    sample = _URL.sub(" ", text[: 2 * _SAMPLE])[:_SAMPLE]
    letters = sum(map(str.isalpha, sample))
    if letters + _EXTRA_LETTERS * len(_DENSE.findall(sample)) < _FEWEST_LETTERS:
        return None
    classify = _identifier().classify
    if letters < _SHORT:
        code, probability = classify(sample)
        return str(code) if probability >= _SURE_WHEN_SHORT and code not in _NO_LANGUAGE else None
    middle = sample.find(" ", len(sample) // 2)
    middle = len(sample) // 2 if middle < 0 else middle
    first, sure = classify(sample[:middle])
    second, too = classify(sample[middle:])
    agreed = first == second and min(sure, too) >= _SURE and first not in _NO_LANGUAGE
    return str(first) if agreed else None


def cjk_characters(text: str) -> int:
    """Count ideographs and kana. Hangul is written with spaces and not counted."""
    return 0 if text.isascii() else len(_IDEOGRAPHS.findall(text))


def word_count(text: str) -> int:
    """Count words.

    A word is a run of letters and digits with the apostrophes, hyphens and points inside it (`don't`, `3.5`).
    Where words are not spaced: every ideograph and kana is one, as word processors count them, and five
    letters of Thai, Lao, Burmese or Khmer make one. Korean is counted by its spaces.
    """
    if text.isascii():
        return len(_WORD.findall(text))
    ideographs = cjk_characters(text)
    unspaced = sum(max(1, round(len(run) / _LETTERS_PER_UNSPACED_WORD)) for run in _UNSPACED_RUN.findall(text))
    if ideographs or unspaced:
        text = _BLANKED.sub(" ", text)
    return ideographs + unspaced + len(_WORD.findall(text))


def reading_time_s(words: int, cjk: int = 0) -> int:
    """Estimate the seconds an adult needs to read silently: 230 words or 500 CJK characters a minute.

    Args:
        words: What `word_count` gives.
        cjk: How many of those are CJK characters (`cjk_characters`).
    """
    return math.ceil((words - cjk) * 60 / 230 + cjk * 60 / 500)


def content_sha256(title: str, text: str) -> str:
    """Fingerprint a document: equal for texts that differ in white space or Unicode composition only.

    Quotation marks, dashes and case count. Pure and stable: changing the rule would make every stored
    document look edited.

    Returns:
        64 hexadecimal digits.
    """
    folded = "\n".join(" ".join(unicodedata.normalize("NFC", part).split()) for part in (title, text))
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()
