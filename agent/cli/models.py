"""`tibabu models`: what the zoo holds."""

import dataclasses
from typing import Any

import click

from agent.cli.numbers import finite
from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from model.card import ModelCard
from model.card_markdown import render
from model.catalogue import Entry, catalogue
from model.classifier import verify


@click.command(short_help="List the models, or print one's card.")
@click.argument("name", required=False)
@config_option
@json_option
def models(name: str | None, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List the models of the zoo, each with its digest, checked against its weights; or print the card of one.

    A model that does not load is listed with the reason. The exit status is 1 where the configured model or the
    configured second one is among those, and for the card of one that does not load.
    """
    if name is not None:
        card = verify(name)
        if as_json:
            print_json(finite(dataclasses.asdict(card)))
        else:
            click.echo(render(card))
        return
    entries = catalogue()
    used = {config.model.name: "configured", config.model.shadow: "shadow"}
    if as_json:
        print_json([_document(entry, used.get(entry.name, "")) for entry in entries])
    else:
        click.echo("\n".join(line for entry in entries for line in _lines(entry, used.get(entry.name, ""))))
    fit = {entry.name for entry in entries if entry.card is not None}
    absent = [name for name in used if name and name not in fit]
    if absent:
        click.echo(f"tibabu: expected models that load. Received: {', '.join(absent)}", err=True)
        raise SystemExit(1)


def _document(entry: Entry, role: str) -> dict[str, Any]:
    card = entry.card
    return {
        "name": entry.name,
        "summary": entry.summary,
        "role": role or None,
        "loads": card is not None,
        "problem": entry.problem,
    } | (_facts(card) if card is not None else {})


def _facts(card: ModelCard) -> dict[str, Any]:
    point, auc = card.operating_point, card.out_of_fold.auc
    facts: dict[str, Any] = finite(
        {
            "version": card.version,
            "sha256": card.sha256,
            "members": card.members,
            "operating_point": {
                "name": point.name,
                "threshold": point.threshold,
                "sensitivity": point.sensitivity,
                "specificity": point.specificity,
            },
            "age_range_years": card.age_range_years,
            "auc_out_of_fold": {"value": auc.value, "low": auc.low, "high": auc.high},
        }
    )
    return facts


def _lines(entry: Entry, role: str) -> tuple[str, ...]:
    mark = f"  [{role}]" if role else ""
    card = entry.card
    if card is None:
        head = f"{entry.name}{mark}  DOES NOT LOAD: {entry.problem}"
        return (head, f"    {entry.summary}") if entry.summary else (head,)
    point, auc, (youngest, oldest) = card.operating_point, card.out_of_fold.auc, card.age_range_years
    flags = f"{point.threshold:.4f} on ({point.name})"
    rates = f"sensitivity {point.sensitivity:.2%}, specificity {point.specificity:.2%}"
    ages = f"ages from {youngest:g} up to, but not including, {oldest:g} years"
    return (
        f"{card.name} {card.version}{mark}",
        f"    {entry.summary}",
        f"    sha256 {card.sha256}, as its card says; {card.members} member{'s' if card.members > 1 else ''}",
        f"    flagged from {flags}: {rates}",
        f"    AUC out of fold {auc.value:.4f} ({auc.low:.4f} to {auc.high:.4f}); {ages}",
    )
