"""How a drill's result is told: for people, or as one JSON document."""

from collections.abc import Mapping
from pathlib import Path

import click

from agent.cli.options import print_json
from agent.simulation.account import Account
from agent.simulation.drill import Drilled
from agent.simulation.plan import Plan


def print_drilled(drilled: Drilled, plan: Plan, folder: Path, *, as_json: bool) -> None:
    """Print what was sent, what the PACS got, and whether the account holds."""
    if as_json:
        print_json(_document(drilled, plan, folder))
        return
    sent = drilled.sent
    click.echo(f"\nSent: {sent.attempts} attempts, {sent.accepted} Instances of {sent.studies} studies accepted")
    _table("answered", sent.by_status)
    _table("accepted", sent.by_why)
    if drilled.troubles:
        click.echo("Peers that misbehaved, and what the agent did")
        _table("", drilled.troubles)
    if drilled.received is not None:
        click.echo(f"The PACS has {drilled.received.objects} objects")
        _table("answered", drilled.received.by_status)
    if drilled.account is None:
        click.echo("No account: without --config the agent's database is not read.")
    else:
        _tell(drilled.account, settled=bool(drilled.settled), accepted=sent.accepted)


def _tell(account: Account, *, settled: bool, accepted: int) -> None:
    click.echo("Outcomes of studies")
    _table("", account.outcomes)
    parts = ", ".join(f"{count} {fate}" for fate, count in sorted(account.fates.items())) or "nothing"
    click.echo(f"Of {accepted} Instances accepted: {parts}, {len(account.lost)} lost, {len(account.doubled)} doubled")
    for what, found in (
        ("lost (SHA-256)", account.lost),
        ("doubled", account.doubled),
        ("acknowledged by the PACS and not there", account.not_at_pacs),
        ("at the PACS in two forms", account.changed_at_pacs),
    ):
        for one in found:
            click.echo(f"  {what}: {one}")
    if not settled:
        click.echo("Not all has come to its end; what waits is on record.")
    click.echo(
        "accepted = delivered + accounted for: it holds."
        if account.holds
        else "accepted = delivered + accounted for: it does NOT hold."
    )


def _table(what: str, counts: Mapping[str, int]) -> None:
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        click.echo(f"  {count:>7} {what} {name}" if what else f"  {count:>7} {name}")


def _document(drilled: Drilled, plan: Plan, folder: Path) -> dict[str, object]:
    return {
        "seed": plan.seed,
        "begins_at": plan.begins_at,
        "folder": folder,
        "sent": drilled.sent,
        "troubles": drilled.troubles,
        "received": drilled.received,
        "settled": drilled.settled,
        "account": None if drilled.account is None else drilled.account.document(),
    }
