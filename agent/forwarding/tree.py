"""A rule's condition as a frozen tree, and its one evaluation: the router and `tibabu rules test` decide alike."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from agent.forwarding.fields import FIELDS
from dicom_io.wildcards import fits


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field compared with texts: holds if one of them fits, or if none does where `negated`.

    `wildcards`: `*` stands for any characters, `?` for one.
    """

    field: str
    texts: tuple[str, ...]
    wildcards: bool
    negated: bool

    def __str__(self) -> str:
        """Return it as a rule says it."""
        operator = {(True, False): "like", (True, True): "not like", (False, False): "in", (False, True): "not in"}[
            self.wildcards, self.negated
        ]
        if len(self.texts) > 1:
            return f"{self.field} {operator} ({', '.join(map(_quoted, self.texts))})"
        operator = {"in": "==", "not in": "!="}.get(operator, operator)
        return f"{self.field} {operator} {_quoted(self.texts[0])}"


@dataclass(frozen=True, slots=True)
class Not:
    """Holds if its part does not."""

    part: "Condition"

    def __str__(self) -> str:
        """Return it as a rule says it."""
        return f"not ({self.part})"


@dataclass(frozen=True, slots=True)
class All:
    """Holds if all parts do: without any, always."""

    parts: "tuple[Condition, ...]"

    def __str__(self) -> str:
        """Return it as a rule says it."""
        return " and ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds if at least one part does."""

    parts: "tuple[Condition, ...]"

    def __str__(self) -> str:
        """Return it as a rule says it."""
        return " or ".join(map(str, self.parts))


Condition: TypeAlias = Comparison | Not | All | AnyOf


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a condition holds, and the comparisons that made it so."""

    holds: bool
    because: tuple[Comparison, ...] = ()


def decide(condition: Condition, facts: Mapping[str, str]) -> Decision:
    """Evaluate a condition; a field that is not among the facts is empty. Never raises, never takes long."""
    match condition:
        case Comparison():
            return Decision(_fits(condition, facts.get(condition.field, "")) is not condition.negated, (condition,))
        case Not(part):
            inner = decide(part, facts)
            return Decision(not inner.holds, inner.because)
        case All(parts):
            return _joined(parts, facts, holds_unless=False)
    return _joined(condition.parts, facts, holds_unless=True)


def _joined(parts: tuple[Condition, ...], facts: Mapping[str, str], *, holds_unless: bool) -> Decision:
    """Let the parts decide that are `holds_unless` (false ones for "and", true ones for "or"), or all if there is none.

    Every part is evaluated, so that the reasons are complete; a condition is small.
    """
    decisions = [decide(part, facts) for part in parts]
    deciding = [one for one in decisions if one.holds is holds_unless]
    holds = holds_unless if deciding else not holds_unless
    return Decision(holds, tuple(reason for one in deciding or decisions for reason in one.because))


def fields_of(condition: Condition) -> Iterator[str]:
    """Yield the fields that a condition asks for."""
    match condition:
        case Comparison(field):
            yield field
        case Not(part):
            yield from fields_of(part)
        case All(parts) | AnyOf(parts):
            yield from (field for part in parts for field in fields_of(part))


def _fits(comparison: Comparison, value: str) -> bool:
    field = FIELDS[comparison.field]
    found = field.comparable(value)
    texts = map(field.comparable, comparison.texts)
    return any(fits(text, found) if comparison.wildcards else text == found for text in texts)


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'
