"""The models of the zoo in words. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from agent.web.people import readable
from db.operating_point import OperatingPointRecord
from model.card import OperatingPoint
from model.catalogue import Entry


@dataclass(frozen=True, slots=True)
class InUse:
    """What the configuration names: the model, and the second one, "" for none."""

    model: str = ""
    shadow: str = ""

    def role(self, name: str) -> str:
        """Return what a model is here for."""
        return {self.shadow: "second model, in the shadow", self.model: "triage"}.get(name, "not in use")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownModel:
    """A model of the zoo."""

    name: str
    role: str
    summary: str
    problem: str
    version: str
    sha256: str
    point: str
    rates: str
    auc: str
    ages: str
    site_point: str


def shown(entry: Entry, use: InUse, active: Iterable[OperatingPointRecord]) -> ShownModel:
    """Return a model in words; of one that does not load only why."""
    card = entry.card
    own = next((f"activated by {readable(one.activated_by)}" for one in active if one.model_name == entry.name), "")
    return ShownModel(
        name=entry.name,
        role=use.role(entry.name),
        summary=entry.summary,
        problem=entry.problem,
        version="" if card is None else card.version,
        sha256="" if card is None else card.sha256,
        point="" if card is None else f"{card.operating_point.name}, from {card.operating_point.threshold:.4f}",
        rates="" if card is None else _rates(card.operating_point),
        auc="" if card is None else f"{card.out_of_fold.auc.value:.4f}",
        ages="" if card is None else f"{card.age_range_years[0]:g} to {card.age_range_years[1]:g} years",
        site_point=own,
    )


def _rates(point: OperatingPoint) -> str:
    low, high = point.sensitivity_interval
    below, above = point.specificity_interval
    return (
        f"sensitivity {point.sensitivity:.1%} ({low:.1%} to {high:.1%}), "
        f"specificity {point.specificity:.1%} ({below:.1%} to {above:.1%})"
    )
