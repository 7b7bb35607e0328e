"""`tibabu deliveries`."""

import click

from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from agent.process.parts import opened
from db.breaker import rests
from db.delivery_list import MOST_COUNTED, count_deliveries, listed_deliveries
from db.delivery_state import OVER, DeliveryState

_STATES = tuple(
    state.lower()
    for state in (
        DeliveryState.PARKED,
        DeliveryState.QUEUED,
        DeliveryState.STORED,
        DeliveryState.ACKNOWLEDGED,
        DeliveryState.TESTED,
        DeliveryState.SUPERSEDED,
    )
)


@click.command(short_help="Print where the reports are on their way.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@click.option("--destination", default="", help="Only those to this destination.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many deliveries.")
@config_option
@json_option
def deliveries(*, state: str | None, destination: str, limit: int, config: Config, as_json: bool) -> None:
    """Print how many reports stand where for each destination, which destinations rest, and the latest deliveries."""
    with opened(config) as database:
        counts, resting = count_deliveries(database), rests(database, only_open=True)
        rows = listed_deliveries(database, state=(state or "").upper(), destination=destination, limit=limit)
    if as_json:
        print_json({"counts": counts, "counted_at_most": MOST_COUNTED, "resting": resting, "deliveries": rows})
        return
    if not counts:
        click.echo("There is no delivery yet.")
    for name, states in counts.items():
        click.echo(f"{name}: " + ", ".join(f"{number} {found.lower()}" for found, number in states.items()))
    if any(sum(states.get(state, 0) for states in counts.values()) >= MOST_COUNTED for state in OVER):
        click.echo(f"Of those that are over, the latest {MOST_COUNTED} of each state are counted.")
    for rest in resting:
        click.echo(f"{rest.destination} rests since {rest.opened_at}, {rest.failures} failures: {rest.reason}")
    for row in rows:
        version = f"{row.report} version {row.version}"
        said = row.confirmation or row.reason
        click.echo(
            f"{row.id:>6}  {row.state.lower():<12} {row.destination:<16} {version:<20} "
            f"{row.attempts} attempts  {row.updated_at:%Y-%m-%d %H:%M:%S}  {said}\n        {row.study_instance_uid}"
        )
