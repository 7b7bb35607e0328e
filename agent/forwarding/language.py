"""The rule language: a text becomes a frozen tree, or an error that names the column. Nothing is ever executed.

    condition  = all { "or" all }
    all        = part { "and" part }
    part       = "not" part | "(" condition ")" | comparison
    comparison = FIELD ( "==" | "!=" ) TEXT
               | FIELD [ "not" ] "like" texts | FIELD [ "not" ] "in" texts
    texts      = TEXT | "(" TEXT { "," TEXT } ")"

A TEXT stands in double or single quotes and has no escapes. An empty condition always holds. Size and depth have
bounds.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.forwarding.fields import FIELDS
from agent.forwarding.tree import All, AnyOf, Comparison, Condition, Not
from dicom_io.wildcards import fits

LONGEST_RULE: Final = 4000
LONGEST_TEXT: Final = 256
DEEPEST: Final = 32

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<text>"[^"\r\n]*"|'[^'\r\n]*')|(?P<sign>==|!=|[(),])"""
)
_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "like"})
_END: Final = "the end of the rule"


class RuleError(ValueError):
    """A text that is no rule: "column N: expected X. Received: Y"."""

    def __init__(self, column: int, expected: str, received: str) -> None:
        """Keep the column, 1 for the first character."""
        super().__init__(f"column {column}: expected {expected}. Received: {received}")
        self.column = column


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


def parse(text: str) -> Condition:
    """Return the condition that a text says. Raises RuleError."""
    if len(text) > LONGEST_RULE:
        raise RuleError(LONGEST_RULE + 1, f"a rule of at most {LONGEST_RULE} characters", f"length={len(text)}")
    tokens = _tokens(text)
    if tokens[0].kind == "end":
        return All(())
    parser = _Parser(tokens)
    condition = parser.condition()
    parser.require(_END, '"and", "or" or the end')
    return condition


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            quote = text[position] in "\"'"
            expected = (
                "a closing quote on the same line" if quote else 'a word, a text in quotes, "(", ")", ",", == or !='
            )
            raise RuleError(position + 1, expected, repr(text[position]) if not quote else "none")
        if match.lastgroup != "space":
            found.append(_Token(match.lastgroup or "", match[0], position + 1))
        position = match.end()
    found.append(_Token("end", _END, len(text) + 1))
    return found


class _Parser:
    """Recursive descent, one method for each line of the grammar."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def condition(self) -> Condition:
        parts = self._list("or", self._all)
        return parts[0] if len(parts) == 1 else AnyOf(parts)

    def _all(self) -> Condition:
        parts = self._list("and", self._part)
        return parts[0] if len(parts) == 1 else All(parts)

    def _list(self, word: str, read: Callable[[], Condition]) -> tuple[Condition, ...]:
        parts = [read()]
        while self._take(word):
            parts.append(read())
        return tuple(parts)

    def _part(self) -> Condition:
        start = self._now
        self._depth += 1
        if self._depth > DEEPEST:
            raise RuleError(start.column, f"at most {DEEPEST} levels of parentheses and nots", "more")
        part: Condition
        if self._take("not"):
            part = Not(self._part())
        elif self._take("("):
            part = self.condition()
            self.require(")", '"and", "or" or ")"')
        else:
            part = self._comparison()
        self._depth -= 1
        return part

    def _comparison(self) -> Comparison:
        name = self._now
        if name.kind != "word" or name.text in _KEYWORDS:
            raise RuleError(name.column, 'a field, "not" or "("', name.text)
        if name.text not in FIELDS:
            raise RuleError(name.column, f"a field among {', '.join(FIELDS)}", name.text)
        self._at += 1
        if self._take("=="):
            return self._checked(name, Comparison(name.text, (self._text(),), wildcards=False, negated=False))
        if self._take("!="):
            return self._checked(name, Comparison(name.text, (self._text(),), wildcards=False, negated=True))
        negated = self._take("not")
        operator = self._now
        if operator.text not in {"in", "like"} or operator.kind != "word":
            expected = '"in" or "like"' if negated else '==, !=, "in", "like" or "not"'
            raise RuleError(operator.column, expected, operator.text)
        self._at += 1
        return self._checked(name, Comparison(name.text, self._texts(), operator.text == "like", negated))

    def _texts(self) -> tuple[str, ...]:
        if not self._take("("):
            return (self._text(),)
        found = [self._text()]
        while self._take(","):
            found.append(self._text())
        self.require(")", '"," or ")"')
        return tuple(found)

    def _text(self) -> str:
        token = self._now
        if token.kind != "text":
            raise RuleError(token.column, "a text in quotes", token.text)
        if len(token.text) > LONGEST_TEXT + 2:
            raise RuleError(
                token.column, f"a text of at most {LONGEST_TEXT} characters", f"length={len(token.text) - 2}"
            )
        self._at += 1
        return token.text[1:-1]

    def _checked(self, name: _Token, comparison: Comparison) -> Comparison:
        """Refuse a value that the field can never have: such a rule would be silent for ever."""
        values = FIELDS[name.text].values
        for text in comparison.texts:
            if values and not any(fits(text, one) if comparison.wildcards else text == one for one in values):
                raise RuleError(name.column, f"{name.text} to be one of {', '.join(values)}", text)
        return comparison

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, text: str) -> bool:
        token = self._now
        if token.kind not in {"word", "sign"} or token.text != text:
            return False
        self._at += 1
        return True

    def require(self, text: str, expected: str) -> None:
        """Take what must stand here."""
        if self._now.text != text or self._now.kind == "text":
            raise RuleError(self._now.column, expected, self._now.text)
        self._at += 1
