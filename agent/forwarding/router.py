"""The rules of a site: which destinations an Instance goes to, at its receipt and at its study's conclusion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.forwarding.fields import OUTCOME
from agent.forwarding.tree import Condition, Decision, decide, fields_of
from db.forwarding import Forward
from db.outcome import Outcome

AT_RECEIPT: Final = ""
"""In the place of an outcome: the rule did not wait for one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its name, when it applies, and the names of the destinations."""

    name: str
    condition: Condition
    to: tuple[str, ...]

    @property
    def waits(self) -> bool:
        """Whether it asks for the outcome, and so waits for the study's conclusion."""
        return OUTCOME in fields_of(self.condition)

    def decide(self, facts: Mapping[str, str], outcome: str = AT_RECEIPT) -> Decision:
        """Return whether it applies to an Instance, of a study with this outcome."""
        return decide(self.condition, {**facts, OUTCOME: outcome})

    def moments(self, facts: Mapping[str, str]) -> tuple[str, ...]:
        """Return when it applies: at receipt, or on which outcomes; empty for never."""
        asked = tuple(Outcome) if self.waits else (AT_RECEIPT,)
        return tuple(moment for moment in asked if self.decide(facts, moment).holds)


@dataclass(frozen=True, slots=True)
class Router:
    """All rules, and under which AE title each destination itself sends: it gets nothing back that came from it."""

    rules: Sequence[Rule] = ()
    ae_titles: Mapping[str, str] = field(default_factory=dict)

    def came_from(self, destination: str, facts: Mapping[str, str]) -> bool:
        """Tell whether a destination is who sent the Instance."""
        title = self.ae_titles.get(destination, "").strip()
        return bool(title) and title == facts.get("calling_ae_title", "").strip()

    def forwards(self, facts: Mapping[str, str]) -> tuple[Forward, ...]:
        """Return where an Instance goes, once for each destination: at receipt if one rule says so."""
        found: dict[str, tuple[set[str], list[str]]] = {}
        for rule in self.rules:
            if moments := rule.moments(facts):
                for destination in rule.to:
                    if not self.came_from(destination, facts):
                        on, names = found.setdefault(destination, (set(), []))
                        on.update(moments)
                        names.append(rule.name)
        return tuple(
            Forward(
                destination=destination,
                rule=", ".join(names),
                on_outcomes=() if AT_RECEIPT in on else tuple(Outcome(one) for one in sorted(on)),
            )
            for destination, (on, names) in found.items()
        )
