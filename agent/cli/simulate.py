"""`tibabu simulate`."""

import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agent.cli.options import PEER, json_option, to_peer
from agent.cli.simulation_text import print_drilled
from agent.config.file import Config, load
from agent.process.stopping import stop_on_signals
from agent.secret import is_this_machine
from agent.simulation.arrival import PROFILES, Profile
from agent.simulation.drill import Drilled, Manner, Site, drill, embedded, visited
from agent.simulation.ledger import Sending
from agent.simulation.moods import moods
from agent.simulation.plan import Plan, Wishes, day
from agent.simulation.sender import synthesised
from agent.simulation.templates import Templates
from dicom_io.scu import Peer, echo

PLAINLY = (
    "Simulated patients (name Simulated^Patient, ID SIM-..., issuer SIMULATED) go into this system and stay there: on "
    "its worklist, and as reports in the PACS behind it."
)
SHARE = click.FloatRange(0, 1)


@click.command(short_help="Be a hospital: load, training and drills.")
@click.option("--embedded", "on_its_own", is_flag=True, help="Start an agent and a PACS for it, on this machine.")
@click.option("--agent", metavar=PEER, callback=to_peer, help="Or send to an agent that is running.")
@click.option("--test-system", metavar="AET", help="Its AE title once more, if it is not on this machine.")
@click.option(
    "--config",
    "config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="That agent's configuration: for the account its database is read.",
)
@click.option("--pacs", metavar=PEER, callback=to_peer, help="Be that agent's PACS, and listen there.")
@click.option("--destination", default="pacs", show_default=True, help="That PACS's name in the configuration.")
@click.option("--studies", type=click.FloatRange(min=1), default=100.0, show_default=True, help="A day, on average.")
@click.option("--hours", type=click.IntRange(1, 24), default=24, show_default=True, help="Of the day.")
@click.option("--from-hour", type=click.IntRange(0, 23), default=0, show_default=True, help="The first of them.")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="unplanned", show_default=True)
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="60: an hour in a minute; 0: as fast as it goes.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed on the same date is the same day.")
@click.option("--date", "date", type=click.DateTime(["%Y-%m-%d"]), help="Of the studies. Default: today.")
@click.option(
    "--images", type=click.Path(exists=True, file_okay=False, path_type=Path), help="DICOM files to use as templates."
)
@click.option(
    "--height",
    type=click.IntRange(64, 4096),
    default=160,
    show_default=True,
    help="Of radiographs without a template, in pixels.",
)
@click.option("--late", type=SHARE, default=0.05, show_default=True, help="Share of studies with a late image.")
@click.option("--repeated", type=SHARE, default=0.05, show_default=True, help="Share that is sent twice.")
@click.option(
    "--recoded", type=SHARE, default=0.05, show_default=True, help="Share that comes again in another transfer syntax."
)
@click.option(
    "--troubles",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Peers that misbehave, on average.",
)
@click.option(
    "--mood-seconds",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="How long the PACS keeps a mood on average; 0: it is always well.",
)
@click.option(
    "--tries",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="What is not taken is sent so often; 0: until it is.",
)
@click.option(
    "--settle-seconds",
    type=click.FloatRange(min=0),
    default=900.0,
    show_default=True,
    help="How long to wait for the rest in the end.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="For ledgers. Default: a new temporary folder.",
)
@json_option
def simulate(**given: Any) -> None:  # noqa: ANN401 - click passes the options above
    """Send a day of simulated patients to an agent, and count what becomes of them.

    Radiographs, laterals, CT, ultrasound and reports arrive as in a hospital: one study or one image in each
    association, or one association all day; with duplicates, late images, peers that misbehave and, if wished, a PACS
    with moods. At the end stands the account: all that was answered with success is delivered or accounted for, else
    the exit status is 1.

    \b
      tibabu simulate --embedded --studies 40 --speed 0
      tibabu simulate --agent TIBABU@127.0.0.1:11112 --config test.toml --speed 600
    """  # noqa: D301 - click's own sign, which it knows as a control character
    agent: Peer | None = given["agent"]
    if given["on_its_own"] == (agent is not None):
        message = "expected either --embedded or --agent AET@HOST:PORT"
        raise click.UsageError(message)
    config = None if given["config"] is None else load(given["config"])
    _refuse_what_would_do_nothing(given, config)
    if agent is not None:
        _require_a_test_system(agent, given["test_system"])
        echo(agent, calling_ae_title="SIMDX1")
    folder = (given["folder"] or Path(tempfile.mkdtemp(prefix="tibabu-simulate-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    stop_on_signals(stop)
    quiet = given["as_json"]
    plan = _plan(given)
    if not quiet:
        lasts = f", in {plan.seconds / given['speed'] / 60:.0f} minutes" if given["speed"] else ""
        objects = sum(1 for _ in plan.objects)
        click.echo(f"{len(plan.studies)} studies, {objects} objects{lasts}; ledgers lie in {folder}")
        click.echo(PLAINLY)
    with _site(given, config, folder) as site:
        if site.url and not quiet:
            click.echo(f"Its worklist, until it ends: {site.url}")
        drilled = _watched(plan, site, _manner(given, plan), folder, stop, quiet=quiet)
    print_drilled(drilled, plan, folder, as_json=quiet)
    if drilled.sent.accepted == 0 or (drilled.account is not None and not drilled.account.holds):
        raise SystemExit(1)


def _refuse_what_would_do_nothing(given: dict[str, Any], config: Config | None) -> None:
    """Raise UsageError for options that these others leave without effect: an account of nothing would hold."""
    of_one_that_runs = {"--test-system": "test_system", "--config": "config", "--pacs": "pacs"}
    vain = [option for option, name in of_one_that_runs.items() if given["on_its_own"] and given[name] is not None]
    if vain:
        message = f"expected {', '.join(vain)} only with --agent: --embedded has an agent and a PACS of its own"
        raise click.UsageError(message)
    if given["mood_seconds"] and not given["on_its_own"] and given["pacs"] is None:
        message = "expected --pacs AET@HOST:PORT with --mood-seconds: the agent's own PACS has no moods"
        raise click.UsageError(message)
    names = [] if config is None else [one.name for one in config.destinations]
    if config is not None and given["pacs"] is not None and given["destination"] not in names:
        message = (
            f"expected --destination to be one of that configuration: {', '.join(names) or 'it has none'}. "
            f"Received: {given['destination']}"
        )
        raise click.UsageError(message)


def _require_a_test_system(agent: Peer, named: str | None) -> None:
    """Raise UsageError unless the agent is on this machine, or somebody says by its name that it is for tests."""
    if named != agent.ae_title and not is_this_machine(agent.host):
        message = f"{PLAINLY}\nIf {agent} is a test system, say so: --test-system {agent.ae_title}"
        raise click.UsageError(message)


def _plan(given: dict[str, Any]) -> Plan:
    date = given["date"] or datetime.now(UTC)
    begins_at = datetime(date.year, date.month, date.day, given["from_hour"], tzinfo=UTC)
    wishes = Wishes(
        studies=given["studies"],
        profile=Profile(PROFILES[given["profile"]], first_hour=given["from_hour"], hours=given["hours"]),
        late=given["late"],
        repeated=given["repeated"],
        recoded=given["recoded"],
        troubles=given["troubles"],
        height=given["height"],
    )
    plan = day(seed=given["seed"], begins_at=begins_at, wishes=wishes)
    if not plan.events:
        message = "expected a day with studies. Received: one on which none comes; more --studies, --hours, or a --seed"
        raise click.UsageError(message)
    return plan


def _manner(given: dict[str, Any], plan: Plan) -> Manner:
    seconds, speed = given["mood_seconds"], given["speed"] or None
    return Manner(
        speed=speed,
        tries=given["tries"] or None,
        source=synthesised if given["images"] is None else Templates(given["images"]),
        spells=moods(seed=plan.seed, seconds=plan.seconds, spell_seconds=seconds * (speed or 1)) if seconds else (),
        settle_seconds=given["settle_seconds"],
    )


def _site(given: dict[str, Any], config: Config | None, folder: Path) -> AbstractContextManager[Site]:
    if given["on_its_own"]:
        return embedded(folder)
    return visited(given["agent"], folder=folder, config=config, listen=given["pacs"], destination=given["destination"])


def _watched(plan: Plan, site: Site, manner: Manner, folder: Path, stop: threading.Event, *, quiet: bool) -> Drilled:
    """Carry the plan out, with bars that show how far it is."""
    with (
        click.progressbar(length=sum(1 for _ in plan.objects), label="Sending ", hidden=quiet) as sending,
        click.progressbar(length=len(plan.studies), label="Settling", hidden=quiet) as settling,
    ):
        return drill(
            plan,
            site,
            manner,
            folder=folder,
            stop=stop,
            on_sent=_counted(sending.update),
            on_settled=lambda done: settling.update(done - settling.pos),
        )


def _counted(update: Callable[[int], None]) -> Callable[[Sending], None]:
    """Return what counts objects that are done, from any thread."""
    lock = threading.Lock()

    def count(line: Sending) -> None:
        if line.status is not None:
            with lock:
                update(1)

    return count
