"""What differs between two configurations, and what of it a running agent takes over."""

import threading
from copy import copy
from pathlib import Path
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from agent.config.file import Config, parse
from agent.process.notices import Notices
from agent.process.parts import utc_now
from agent.process.reload import NEW_STARTS, RENEWED, changes, needing_restart, starting_anew
from agent.process.reloading import Accepted, follow_notices
from agent.process.renewal import Renewal
from agent.process.roles import HL7, METRICS, ROLES, SHADOW
from db.audit_search import AuditQuery, search
from db.audit_terms import EventOutcome, EventType
from db.database import Database
from db.reloads import ReloadOutcome, reloads

PACS = '[[destinations]]\nname = "pacs"\ntype = "dicom"\nae_title = "PACS"\nhost = "10.0.0.5"\nport = 104\n'
XRAY = '[[peers]]\nae_title = "XRAY1"\naddresses = ["10.0.0.1"]\n'
CT = '[[peers]]\nae_title = "CT1"\n'


def of(*texts: str) -> Config:
    return parse("\n".join(texts), Path("/etc/tibabu/config.toml"))


def test_the_same_text_in_another_order_or_with_comments_is_no_change() -> None:
    assert changes(of(XRAY, PACS), of("# since yesterday", PACS, XRAY)) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ((XRAY,), (XRAY.replace("10.0.0.1", "10.0.0.2"),), 'peers[XRAY1].addresses: ["10.0.0.1"] -> ["10.0.0.2"]'),
        ((XRAY,), (XRAY, CT), 'peers[CT1]: absent -> { ae_title = "CT1" }'),
        ((XRAY, CT), (XRAY,), 'peers[CT1]: { ae_title = "CT1" } -> absent'),
        ((XRAY, CT), (CT, XRAY), "peers: XRAY1, CT1 -> CT1, XRAY1"),
        ((PACS,), (PACS.replace("104", "105"),), "destinations[pacs].port: 104 -> 105"),
        (("[drift]\nevery_minutes = 5",), ("[drift]\nevery_minutes = 7",), "drift.every_minutes: 5.0 -> 7.0"),
        ((), ("[reports.sr]\nfall_back = ['enhanced']",), 'reports.sr: absent -> { fall_back = ["enhanced"] }'),
        ((), ("[receive]\nport = 104",), "receive.port: 11112 -> 104"),
    ],
)
def test_each_setting_that_differs_is_told_by_its_key(old: tuple[str], new: tuple[str], said: str) -> None:
    assert [str(change) for change in changes(of(*old), of(*new))] == [said]


def test_no_secret_is_told() -> None:
    url = '[database]\nurl = "postgresql://t:{}@a/t"'
    (change,) = changes(of(url.format("hidden1")), of(url.format("hidden2")))
    assert change.key == "database.url"
    assert "hidden1" not in str(change)
    assert "hidden2" not in str(change)


def test_what_no_running_agent_takes_over_is_named() -> None:
    found = changes(of(XRAY), of(CT, "[receive]\nport = 104\n[web]\nport = 1\n[work]\nprocesses = 2"))
    assert [change.key for change in needing_restart(found)] == ["receive.port", "work.processes", "web.port"]


def test_only_the_roles_that_a_change_concerns_start_anew_and_none_that_somebody_is_connected_to() -> None:
    assert starting_anew(changes(of(XRAY), of(XRAY, CT))) == {"deliver"}
    assert starting_anew(changes(of(), of("[alerts]\nafter_minutes = 1"))) == {"clock"}
    assert starting_anew(changes(of(), of(PACS))) == {"work", "deliver", "clock", "metrics"}
    everything = frozenset[str]().union(*NEW_STARTS.values())
    assert everything <= {*ROLES, SHADOW, METRICS}
    assert {*ROLES, HL7, "dicomweb"} - everything == RENEWED
    assert NEW_STARTS.keys() <= Config.model_fields.keys()


ROWS = '[database]\nurl = "sqlite:///tibabu.db"\n'


@pytest.fixture
def accepted(sqlite_database: Database) -> Accepted:
    """Give a configuration that runs, with one peer."""
    (file := Path(str(sqlite_database.url.database)).with_name("config.toml")).write_text(ROWS + XRAY)
    return Accepted(file, "here", utc_now)


def test_a_good_file_is_taken_and_what_changed_is_put_on_record(accepted: Accepted, sqlite_database: Database) -> None:
    assert accepted.path is not None
    accepted.path.write_text(ROWS + CT)
    assert [change.key for change in accepted.reload()] == ["peers[CT1]", "peers[XRAY1]"]
    assert [peer.ae_title for peer in accepted.config.peers] == ["CT1"]
    assert accepted.reload() == ()
    (told,) = reloads(sqlite_database)
    assert (told.place, told.outcome) == ("here", ReloadOutcome.UNCHANGED)
    event = search(sqlite_database, AuditQuery()).rows[1].event
    assert (event.type, event.outcome) == (EventType.NETWORK_CONFIGURATION, EventOutcome.SUCCESS)
    assert event.detail.startswith('configuration taken on here: peers[CT1]: absent -> { ae_title = "CT1" }; ')


@pytest.mark.parametrize(
    ("text", "said", "of"),
    [
        ("[[peers]]\nae_title = 1\n[drift]\nx = 0", "peers[0].ae_title: Input should be a valid string", "drift.x"),
        (
            "[[destinations]]\nname = 'out'\ntype = 'folder'\nfolder = \"a\\u0000b\"",
            "destinations[0].folder: expected text without NUL",
            "destinations[0].folder",
        ),
        (
            f"{PACS}tls = true\ntls_ca_file = 'absent.pem'\n[receive]\nport = 0\n{XRAY}",
            "destinations[pacs]: expected PEM files",
            "receive.port",
        ),
        ("[[peers]", "expected TOML in ", "expected TOML in "),
        ("x = " + "[" * 100_000, "", "configuration refused on here: "),  # deeper than Python can read
        (f"[receive]\nport = 0\n{CT}", "receive.port: expected to stay until the next start.", "receive.port"),
        (
            "[[peers]]\nae_title = 'SECRET-OF-17-LETTERS'",
            "peers[0].ae_title: expected",
            "peers[0].ae_title",
        ),
    ],
)
def test_a_bad_file_is_refused_whole_with_all_its_problems_and_nothing_that_it_gave(
    accepted: Accepted, sqlite_database: Database, text: str, said: str, of: str
) -> None:
    assert accepted.path is not None
    before = accepted.text, accepted.config
    accepted.path.write_text(ROWS + text)
    assert accepted.reload() == ()
    assert (accepted.text, accepted.config) == before
    (told,) = reloads(sqlite_database)
    assert (told.outcome, told.changes) == (ReloadOutcome.REFUSED, ())
    assert any(problem.startswith(said) for problem in told.problems)
    (row,) = search(sqlite_database, AuditQuery()).rows
    assert row.event.outcome is EventOutcome.MINOR_FAILURE
    assert of in row.event.detail
    assert "SECRET" not in row.event.detail + "".join(told.problems)


def test_a_destination_that_cannot_be_made_is_refused_by_its_name(
    accepted: Accepted, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accepted.path is not None
    monkeypatch.setattr("agent.destinations.dicom.HeldAssociation", Mock(side_effect=ValueError("title")))
    accepted.path.write_text(ROWS + XRAY + PACS)
    with capture_logs() as events:
        assert accepted.reload() == ()
    assert events[0]["problems"] == ["destinations[pacs]: expected what can be made. Received: ValueError: title"]
    assert accepted.config.destinations == ()


def test_a_role_that_cannot_take_over_what_was_accepted_starts_anew_whatever_keeps_it(tmp_path: Path) -> None:
    (loop := tmp_path / "config.toml").symlink_to(loop)
    notices, hung_up, stop = Notices(), threading.Event(), threading.Event()
    of_role = copy(notices)  # as a fork has it
    notices.post(XRAY)
    renewal = Renewal(stop)
    hung_up.set()
    follow_notices(of_role, loop, hung_up, renewal)
    assert stop.is_set()
    assert renewal.anew


@pytest.mark.parametrize("ready_first", [True, False])
def test_a_role_that_fails_to_take_a_configuration_over_starts_anew(*, ready_first: bool) -> None:
    stop, hung_up, notices = threading.Event(), threading.Event(), Notices()
    renewal, of_role, cannot = Renewal(stop), copy(notices), Mock(side_effect=ZeroDivisionError)
    if ready_first:
        renewal.follow(cannot)
        notices.post(XRAY)
        hung_up.set()
        follow_notices(of_role, None, hung_up, renewal)
    else:  # it came while the role was starting
        renewal.tell(of(XRAY))
        renewal.follow(cannot)
    assert cannot.called
    assert stop.is_set()
    assert renewal.anew


def test_whatever_keeps_a_reload_from_being_recorded_nothing_is_taken_and_the_next_one_is(accepted: Accepted) -> None:
    assert accepted.path is not None
    clock = accepted.clock
    accepted.clock = Mock(side_effect=OverflowError)
    accepted.path.write_text(ROWS + CT)
    with capture_logs() as events:
        assert accepted.reload() == ()
    assert [event["event"] for event in events] == ["configuration_refused"]
    accepted.clock = clock
    assert accepted.reload() != ()


def test_nothing_is_taken_that_cannot_be_put_on_record(
    accepted: Accepted, sqlite_database: Database, tmp_path: Path
) -> None:
    assert accepted.path is not None
    sqlite_database.dispose()
    (tmp_path / "tibabu.db").write_bytes(b"")
    accepted.path.write_text(ROWS + CT)
    with capture_logs() as events:
        assert accepted.reload() == ()
    assert [peer.ae_title for peer in accepted.config.peers] == ["XRAY1"]
    # Nobody tends the roles while a database is waited for: once is enough.
    assert [event["event"] for event in events] == ["reload_not_recorded", "configuration_refused"]
