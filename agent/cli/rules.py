"""`tibabu rules test`: which forwarding rules match a file, why the others do not, and where it would go."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from agent.cli.options import config_option, dicom_files, json_option, print_json
from agent.config.file import Config
from agent.config.forward import make_router
from agent.errors import AgentError
from agent.forwarding.fields import OUTCOME, facts_of
from agent.forwarding.router import AT_RECEIPT, Router, Rule
from agent.forwarding.tree import Comparison
from db.outcome import Outcome
from dicom_io.errors import HeaderError
from dicom_io.header import read_header


@click.group()
def rules() -> None:
    """Try the forwarding rules of the configuration."""


@rules.command(short_help="Say which rules match DICOM files, and why the others do not.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--calling", "calling_ae_title", default="", metavar="AE", help="As if this AE title had sent it.")
@click.option("--called", "called_ae_title", default="", metavar="AE", help="As if it had called this AE title.")
@click.option("--address", "peer_address", default="", metavar="IP", help="As if it had come from this address.")
@click.option(
    "--outcome", type=click.Choice([one.value for one in Outcome]), help="As if its study had come to this outcome."
)
@config_option
@json_option
def test(
    *,
    paths: tuple[Path, ...],
    calling_ae_title: str,
    called_ae_title: str,
    peer_address: str,
    outcome: str | None,
    config: Config,
    as_json: bool,
) -> None:
    """Say for DICOM files (or all in a folder) which forwarding rules match, why not, and where they would go.

    Nothing is sent and nothing is stored.
    """
    router = make_router(config.forward, config.destinations)
    if not router.rules:
        message = "expected rules in the configuration ([[forward]]). Received: none"
        raise AgentError(message)
    documents = []
    for path in dicom_files(paths):
        try:
            header = read_header(path)
        except HeaderError as error:
            message = f"{path}: {error}"
            raise AgentError(message) from None
        facts = facts_of(
            header,
            transfer_syntax_uid=header.transfer_syntax_uid,
            calling_ae_title=calling_ae_title,
            called_ae_title=called_ae_title or config.receive.ae_title,
            peer_address=peer_address,
        )
        documents.append(_document(router, path, facts, outcome))
    if not documents:
        message = "expected at least one DICOM file. Received: none"
        raise AgentError(message)
    if as_json:
        print_json(documents)
        return
    for document in documents:
        click.echo("\n".join(_lines(document)))


def _document(router: Router, path: Path, facts: Mapping[str, str], outcome: str | None) -> dict[str, Any]:
    judged = [_judged(router, rule, facts, outcome) for rule in router.rules]
    return {
        "file": str(path),
        "outcome": outcome,
        "destinations": sorted({name for one in judged for name in one["to"]}),
        "rules": judged,
    }


def _judged(router: Router, rule: Rule, facts: Mapping[str, str], outcome: str | None) -> dict[str, Any]:
    """Say of one rule whether it matches; without an outcome, on which outcomes it would."""
    moments = rule.moments(facts)
    if outcome is not None and rule.waits:
        moments = tuple(one for one in moments if one == outcome)
    decision = rule.decide(facts, outcome or (moments[0] if moments else AT_RECEIPT))
    asked = {**facts, OUTCOME: outcome or "any"}
    reasons = [one for one in decision.because if outcome is not None or one.field != OUTCOME] or decision.because
    return {
        "rule": rule.name,
        "matches": bool(moments),
        "when": "at receipt" if moments == (AT_RECEIPT,) else [str(one) for one in moments],
        "because": [] if moments else [_reason(one, asked) for one in reasons],
        "to": [name for name in rule.to if moments and not router.came_from(name, facts)],
        "not_back_to": [name for name in rule.to if moments and router.came_from(name, facts)],
    }


def _reason(comparison: Comparison, facts: Mapping[str, str]) -> str:
    return f"{comparison}, but it is {facts.get(comparison.field, '')!r}"


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield document["file"]
    for one in document["rules"]:
        if not one["matches"]:
            yield f"  no   {one['rule']}: {'; '.join(one['because'])}"
            continue
        when = "at receipt" if one["when"] == "at receipt" else f"when its study is {' or '.join(one['when'])}"
        to = f"to {', '.join(one['to'])}" if one["to"] else "to nobody"
        back = f" (not back to {', '.join(one['not_back_to'])}, who sent it)" if one["not_back_to"] else ""
        yield f"  yes  {one['rule']}: {to} {when}{back}"
    yield f"  goes to: {', '.join(document['destinations']) or 'nobody'}"
