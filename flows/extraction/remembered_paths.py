"""trafilatura's searches for furniture, with each verdict remembered: half of the time of its own rules.

It asks of every element, by expressions with a dozen patterns each, whether its class or id names an advertisement, a
comment, a menu. Such an expression looks at nothing but the element's own name and attributes, and themes repeat
themselves: the verdict on one element is the verdict on all that look like it. The expressions themselves stay
trafilatura's. One that looks at anything else, as a later release may write it, is left as it is.
"""

from __future__ import annotations

import re
from typing import Any, Final

from lxml import etree

Element = Any  # lxml's elements carry no types

_SHAPE: Final = re.compile(
    r"\s*\.//\*((?:\[(?:self::\w+|@[\w-]+|\w[\w:-]*\(|\b(?:or|and)\b|[=|,()\s]|'[^']*')+\])+)\s*"
)
_FUNCTIONS: Final = frozenset(("contains", "starts-with", "translate", "re:test", "not", "or", "and"))
_NAMED: Final = re.compile(r"'[^']*'|(\w[\w:-]*)\s*\(")
_ATTRIBUTE: Final = re.compile(r"'[^']*'|@([\w-]+)")
_TAGS: Final = re.compile(r"\[(\s*self::\w+(?:\s+or\s+self::\w+)*\s*)\]")
_MOST: Final = 20_000
_LONGEST: Final = 500  # characters; pictures written out in a style are not kept


def remember(expressions: list[Any]) -> None:
    """Replace the expressions of a list that can be remembered."""
    from trafilatura.xpaths import REGEXP_NS

    for number, expression in enumerate(expressions):
        found = _SHAPE.fullmatch(expression.path) if isinstance(expression, etree.XPath) else None
        if found and _FUNCTIONS.issuperset(name for name in _NAMED.findall(found[1]) if name):
            expressions[number] = RememberedPath(found[1], {"re": REGEXP_NS})


class RememberedPath:
    """What `.//*` with some predicates finds, where these look at an element's own name and attributes only."""

    def __init__(self, predicates: str, namespaces: dict[str, str]) -> None:
        self._holds = etree.XPath(f"boolean(self::*{predicates})", namespaces=namespaces)
        self._looked_at = frozenset(_ATTRIBUTE.findall(predicates)) - {""}
        tags = _TAGS.match(predicates)
        self._tags = re.findall(r"self::(\w+)", tags[1]) if tags else ["*"]
        self._verdicts: dict[tuple[Any, ...], bool] = {}

    def __call__(self, tree: Element) -> list[Element]:
        """Return the elements found, in document order."""
        return [element for element in tree.iterdescendants(*self._tags) if self._verdict(element)]

    def _verdict(self, element: Element) -> bool:
        looks = (element.tag, *[item for item in element.items() if item[0] in self._looked_at])
        verdict = self._verdicts.get(looks)
        if verdict is None:
            verdict = bool(self._holds(element))
            if len(self._verdicts) >= _MOST:
                self._verdicts.clear()
            if len(element.tag) + sum(len(value) for _, value in looks[1:]) <= _LONGEST:
                self._verdicts[looks] = verdict
        return verdict
