"""`tibabu triage`."""

import click

from agent.cli.options import config_option, json_option, print_json, user
from agent.config.file import Config
from agent.process.parts import opened, utc_now
from db.audit import Who
from db.not_triaged import count_not_triaged
from db.triage import Switch, switch_off, switch_on, triage_off


@click.command(short_help="Say whether triage is on; switch it off or on.")
@click.option("--off", "to", flag_value="off", help="Switch it off: no study is raised or called flagged.")
@click.option("--on", "to", flag_value="on", help="Switch it on again.")
@click.option("--reason", default="", help="Why; it stands on every page. Name no patient.")
@config_option
@json_option
def triage(*, to: str | None, reason: str, config: Config, as_json: bool) -> None:
    """Say whether triage is on, and how many unread studies were not analysed while it was off.

    With --off, from then on no study is raised and none is called flagged or not flagged: they are "not analysed
    (triage switched off)". What was concluded before stays as it was. See docs/operator.md.
    """
    if to is not None and not reason.strip():
        message = "--off and --on need a --reason"
        raise click.UsageError(message)
    with opened(config) as database:
        if to is not None:
            change = switch_off if to == "off" else switch_on
            change(database, reason=reason.strip(), who=Who(user()), now=utc_now())
        off, waiting = triage_off(database), count_not_triaged(database)
    if as_json:
        print_json({"triage": "on" if off is None else "off", "switch": off, "not_analysed_unread": waiting})
    else:
        click.echo(_line(off))
        if waiting:
            click.echo(f"{waiting} unread studies were not analysed because it was off.")


def _line(off: Switch | None) -> str:
    if off is None:
        return "Triage is on."
    return f"Triage is off since {off.off_at:%Y-%m-%d %H:%M:%S} UTC, by {off.off_by}: {off.off_reason}"
