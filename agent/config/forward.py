"""The tables [[forward]] of config.toml: which received Instances go on to which destinations."""

from typing import Annotated

from pydantic import AfterValidator, Field

from agent import destinations
from agent.config.section import Section
from agent.destinations import DestinationSettings
from agent.forwarding.language import parse
from agent.forwarding.router import Router, Rule


def _readable(text: str) -> str:
    parse(text)
    return text


class ForwardSettings(Section):
    """A rule that forwards received Instances, bytes untouched; see docs/routing.md."""

    name: str = Field(
        min_length=1, max_length=80, examples=["chests to the archive"], description="What the ledger calls it."
    )
    when: Annotated[str, AfterValidator(_readable)] = Field(
        default="",
        examples=['calling_ae_title == "XRAY1" and modality in ("CR", "DX")'],
        description="Which Instances: fields compared by ==, !=, in, like (* and ?), joined by and, or, not. "
        "Empty: every one. A rule that asks for the outcome waits for the study's conclusion.",
    )
    to: tuple[str, ...] = Field(min_length=1, examples=[["pacs"]], description="Where to: names of destinations.")


def check_rules(rules: tuple[ForwardSettings, ...], known: tuple[DestinationSettings, ...]) -> None:
    """Raise ValueError for rules of one name, and for destinations that do not exist or take no Instances."""
    names = [rule.name for rule in rules]
    if twice := {name for name in names if names.count(name) > 1}:
        message = f"expected rules with different names. Received twice: {', '.join(sorted(twice))}"
        raise ValueError(message)
    able = [one.name for one in known if hasattr(destinations.load(one.type).Destination, "forward")]
    for rule in rules:
        for name in rule.to:
            if name not in able:
                among = ", ".join(able) or "none, as no destination is configured"
                message = f"expected destinations that take Instances: {among}. Received: rule={rule.name!r} to={name}"
                raise ValueError(message)


def make_router(rules: tuple[ForwardSettings, ...], known: tuple[DestinationSettings, ...]) -> Router:
    """Return the router of a configuration."""
    return Router(
        rules=tuple(Rule(rule.name, parse(rule.when), rule.to) for rule in rules),
        ae_titles={one.name: one.ae_title for one in known if one.ae_title},
    )
