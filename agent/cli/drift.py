"""`tibabu drift`."""

import json

import click

from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from agent.process.parts import opened
from agent.watch.drift import REPORT, DriftReport, Share
from db.drift import drift_alarms, drift_reports


@click.command(short_help="Print what the watch on drift found last.")
@config_option
@json_option
def drift(*, config: Config, as_json: bool) -> None:
    """Print what the watch on drift found last, of the last day and the last week, and the alarms that stand.

    Exit status 1 if one stands. See docs/operator.md.
    """
    with opened(config) as database:
        reports, alarms = drift_reports(database), drift_alarms(database)
    if as_json:
        found = {span: json.loads(content) for span, (_, content) in reports.items()}
        print_json({"reports": found, "alarms": alarms})
    else:
        for span, (_, content) in sorted(reports.items()):
            click.echo(_text(span, REPORT.validate_json(content)))
        for alarm in alarms:
            click.echo(f"ALARM since {alarm.since:%Y-%m-%d %H:%M} UTC: {alarm.reason}")
        if not reports:
            click.echo("Nobody has looked yet: no `clock` process has run for long enough.")
    if alarms:
        raise SystemExit(1)


def _text(span: str, report: DriftReport) -> str:
    lines = [
        f"The last {span}: {report.images} images",
        f"  flagged {_share(report.flagged)}; by the card {report.expected_flag_rate:.1%}",
        f"  declined {_share(report.declined)}, failed {_share(report.failed)}",
    ]
    for one in report.quantities:
        if one.distance is None:
            lines.append(f"  {one.name}: too few images to judge")
        else:
            seen = one.distance
            lines.append(
                f"  {one.name}: PSI {seen.psi:.3f} (by chance up to {seen.psi_by_chance:.3f}), "
                f"KS {seen.ks:.3f}, p {seen.p:.3g}"
            )
    return "\n".join(lines)


def _share(share: Share) -> str:
    if not share.of:
        return "none of none"
    return f"{share.count} of {share.of} ({share.count / share.of:.1%}; {share.low:.1%} to {share.high:.1%})"
