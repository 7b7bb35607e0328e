"""A simulated day at a real agent with a moody PACS: the account at its end holds, and says so when it would not."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.cli.commands import tibabu
from agent.simulation.account import account
from agent.simulation.bad_peers import BadPeer
from agent.simulation.drill import SENT, Drilled, Manner, Site, drill
from agent.simulation.ledger import read_receipts, read_sendings
from agent.simulation.moods import Mood, Spell
from agent.simulation.pacs import AE_TITLE, LEDGER, MoodyPacs
from agent.simulation.plan import Plan, Trouble, Wishes, day
from agent.simulation.sender import synthesised

USAGE = 2
MOODY = (Spell(0, Mood.REFUSES), Spell(0.5, Mood.WARNS), Spell(1, Mood.REJECTS), Spell(1.5, Mood.SLOW))


@pytest.fixture
def moody_pacs(tmp_path: Path) -> Iterator[MoodyPacs]:
    with MoodyPacs(tmp_path / "pacs", slow_seconds=0.05, keep=False) as pacs:
        yield pacs


@pytest.fixture
def busy_day() -> Plan:
    wishes = Wishes(studies=6, exact=True, late=0.3, repeated=0.3, recoded=0.3)
    plan = day(seed=4, begins_at=datetime(2026, 3, 2, tzinfo=UTC), wishes=wishes)
    bad = tuple(Trouble(0.0, what, 1) for what in BadPeer if what not in {BadPeer.REPEATS, BadPeer.SILENT})
    return replace(plan, events=bad + plan.events)


@pytest.fixture
def drilled(start: Any, moody_pacs: MoodyPacs, busy_day: Plan, tmp_path: Path) -> Callable[[], tuple[Any, Drilled]]:
    """Return what sends the day to an agent whose PACS is moody, and waits for the rest."""

    def run() -> tuple[Any, Drilled]:
        pacs = {"name": "pacs", "type": "dicom", "ae_title": AE_TITLE, "host": "127.0.0.1", "port": moody_pacs.port}
        retries = {"first_retry_seconds": 0.2, "longest_retry_seconds": 0.3, "rest_after_failures": 1000}
        soon = {"after_release_seconds": 0.1, "quiet_seconds": 0.5}
        agent = start(destinations=[pacs], deliver={**retries, "attempts": 1000}, complete=soon)
        site = Site(agent=agent.peer, config=agent.config, pacs=moody_pacs, receipts=tmp_path / "pacs" / LEDGER)
        manner = Manner(speed=None, tries=None, source=synthesised, spells=MOODY, settle_seconds=90)
        stop = threading.Event()
        told = {"on_sent": lambda _: None, "on_settled": lambda _: None}
        return agent, drill(busy_day, site, manner, folder=tmp_path, stop=stop, **told)

    return run


def test_all_that_was_accepted_is_delivered_or_accounted_for(
    drilled: Callable[[], tuple[Any, Drilled]], busy_day: Plan, tmp_path: Path
) -> None:
    agent, result = drilled()
    assert result.account is not None
    assert result.account.holds, result.account
    assert result.settled
    sent = {(one.simulated.sop_instance_uid, one.transfer_syntax_uid) for one in busy_day.objects}
    assert result.sent.accepted == len(sent)
    assert result.account.fates == {"delivered": len(sent)}
    assert result.troubles["wrong called: rejected"] == 1
    assert result.received is not None
    assert result.received.objects >= len(busy_day.studies)

    lines = list(read_sendings(tmp_path / SENT))
    receipts = list(read_receipts(tmp_path / "pacs" / LEDGER))
    never_there = replace(lines[0], sha256="0" * 64)
    lost = account([*lines, never_there], agent.database, receipts, destination="pacs")
    assert (lost.holds, lost.lost) == (False, ("0" * 64,))
    gone = receipts[0].sop_instance_uid
    without = [one for one in receipts if one.sop_instance_uid != gone]
    assert account(lines, agent.database, without, destination="pacs").not_at_pacs == (gone,)
    other = replace(receipts[-1], sha256="1" * 64, status=0)
    changed = account(lines, agent.database, [*receipts, other], destination="pacs")
    assert (changed.holds, changed.changed_at_pacs) == (False, (other.sop_instance_uid,))


def test_patients_that_are_none_are_not_sent_to_another_machine_unless_it_is_said_to_be_a_test_system() -> None:
    refused = CliRunner().invoke(tibabu, ["simulate", "--agent", "TIBABU@192.0.2.1:11112"])
    assert refused.exit_code == USAGE
    assert "--test-system TIBABU" in refused.stderr
    another = CliRunner().invoke(tibabu, ["simulate", "--agent", "TIBABU@192.0.2.1:11112", "--test-system", "TEST"])
    assert another.exit_code == USAGE
    assert "Simulated patients" in another.stderr


@pytest.mark.parametrize("given", [[], ["--embedded", "--agent", "TIBABU@127.0.0.1:11112"], ["--agent", "nobody"]])
def test_a_drill_takes_place_at_one_agent(given: list[str]) -> None:
    assert CliRunner().invoke(tibabu, ["simulate", *given]).exit_code == USAGE


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--embedded", "--config", "{config}"], "--config"),
        (["--embedded", "--pacs", "SIMPACS@127.0.0.1:11113", "--test-system", "TIBABU"], "--test-system, --pacs"),
        (["--agent", "TIBABU@127.0.0.1:11112", "--mood-seconds", "5"], "--pacs"),
        (
            [
                "--agent",
                "TIBABU@127.0.0.1:1",
                "--config",
                "{config}",
                "--pacs",
                "A@127.0.0.1:1",
                "--destination",
                "pcas",
            ],
            "archive",
        ),
        (["--embedded", "--studies", "1", "--hours", "1", "--seed", "2", "--date", "2026-11-26"], "--seed"),
    ],
)
def test_what_would_have_no_effect_on_the_account_is_refused_before_anything_is_sent(
    given: list[str], named: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[destinations]]\nname = "archive"\ntype = "dicom"\nae_title = "A"\nhost = "h"\nport = 1\n')
    done = CliRunner().invoke(tibabu, ["simulate", *(word.format(config=config) for word in given)])
    assert done.exit_code == USAGE, done.output
    assert named in done.stderr
