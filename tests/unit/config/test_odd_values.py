"""What no site can mean is refused: nothing of it is noticed before a study waits, or goes nowhere."""

from pathlib import Path

import pytest

from agent.config.file import load, parse
from agent.errors import ConfigError

FILE = Path("/srv/tibabu/config.toml")
PACS = '[[destinations]]\nname = "pacs"\ntype = "dicom"\nae_title = "PACS"\nhost = "10.0.0.5"\nport = 104\n'
OIDC = '[web.oidc]\nissuer = "https://login.example"\nclient_id = "x"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[priority]\nhigh_minutes = 60", "priority: expected high_minutes <= medium_minutes <= routine_minutes"),
        ("[complete]\nquiet_seconds = 3600", "complete: expected forced_seconds, which end every wait"),
        ("[complete]\nforced_seconds = inf", "complete.forced_seconds: Input should be a finite number"),
        ("[audit]\nkeep_days = 999999", "audit.keep_days: Input should be less than or equal to 100000"),
        ("[gate]\nminimum_age_years = 6\nmaximum_age_years = 1", "gate: expected minimum_age_years below"),
        ("[drift]\nflag_rate_below = 0.4\nflag_rate_above = 0.02", "drift: expected flag_rate_below less than"),
        ("[retention]\nimages_beyond_gigabytes = true", "retention.images_beyond_gigabytes: expected a number"),
        ("[retention]\nimages_after_days = { flagged = true }", "retention.images_after_days: expected a number"),
        ('[store]\nfolder = ""', "store.folder: expected a path. Received: an empty text"),
        ('[retention]\narchive_folder = "var/store"', "retention.archive_folder: expected a folder apart from"),
        ('[backup]\nfolder = "var/store/copies"', "backup.folder: expected a folder apart from store.folder"),
        ('[backup]\nfolder = "var"', "backup.folder: expected a folder apart from store.folder"),
        (f"{PACS}outcomes = []", "destinations[0].outcomes: "),
        (f'{PACS}calling_ae_titles = [" "]', "destinations[0].calling_ae_titles[0]: "),
        (f'{PACS}reports = ["sr", "sr"]', "destinations: pacs: expected each report once. Received twice: reports=sr"),
        ('[audit]\nsyslog = "collector:65536"', "audit.syslog: expected HOST:PORT with a port of 1 to 65535"),
        ('[orders]\nhost = "ris"', "orders: expected an ae_title where host is set"),
        ('[hl7]\napplication = ""', "hl7.application: "),
        ("[hl7]\nprocessing_ids = []", "hl7.processing_ids: "),
        ('[hl7]\nmedium_priorities = ["s"]', "hl7: expected different terms in high_priorities and medium_priorities"),
        (f'{OIDC}roles = {{ a = "reader" }}', "web: expected accounts = true with [web.oidc]"),
        (f"{OIDC}roles = {{}}\n[web]\naccounts = true", "web.oidc.roles: "),
        ('[web]\ntrusted_proxies = ["0.0.0.0/0"]', "web.trusted_proxies[0]: expected the addresses of those in front"),
        ('[receive]\nbalancers = ["::/0"]', "receive.balancers[0]: expected the addresses of those in front"),
        ('[dicomweb]\npublic_url = "pacs.example"', "dicomweb.public_url"),
        ('[metrics]\ntraces = "http://"', "metrics.traces: expected a URL"),
    ],
)
def test_it_is_refused_by_its_key(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(text, FILE)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("text", "both"),
    [
        ("[receive]\nport = 8080", "receive and web, port=8080"),
        ('[receive.tls]\nport = 11112\ncertificate = "a"\nkey = "b"', "receive and receive.tls, port=11112"),
        ("[dicomweb]\nenabled = true\nport = 8080", "web and dicomweb, port=8080"),
        ("[hl7]\nenabled = true\nport = 8080", "web and hl7, port=8080"),
        ("[metrics]\nport = 8080", "web and metrics, port=8080"),
    ],
)
def test_two_roles_on_one_port_are_refused_for_their_processes_would_share_it(text: str, both: str) -> None:
    """A scanner's association would be dealt out to either."""
    with pytest.raises(ConfigError, match=f"expected a port of its own for each role. Received: {both}"):
        parse(text, FILE)


@pytest.mark.parametrize(
    "text",
    [
        "[receive]\nport = 0\n[web]\nport = 0",
        "[receive]\nplain = false\nport = 8080\n[receive.tls]\ncertificate = 'a'\nkey = 'b'",
        "[dicomweb]\nport = 8080",
        "[receive]\nhost = '10.0.0.1'\nport = 8080",
    ],
)
def test_a_port_that_is_free_or_not_listened_on_or_of_another_address_is_nobody_else_s(text: str) -> None:
    assert parse(text, FILE)


def test_spaces_around_an_ae_title_do_not_count() -> None:
    kids = "[gate]\npaediatric_ae_titles = ['KIDS ']"
    text = f'[[peers]]\nae_title = " XRAY1 "\n{PACS}calling_ae_titles = ["XRAY1 "]\n{kids}'
    config = parse(text, FILE)
    (peer,), (pacs,) = config.peers, config.destinations
    assert (peer.ae_title, pacs.calling_ae_titles, config.gate.paediatric_ae_titles) == ("XRAY1", ("XRAY1",), ("KIDS",))


def test_a_file_that_begins_with_a_mark_of_its_encoding_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[web]\nport = 8081\n", encoding="utf-8-sig")
    assert load(file).web.port == 8081


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('type = "dicom"\nae_title = "TIBABU"\nhost = "127.0.0.1"\nport = 11112', "there, port=11112 as receive"),
        ('type = "dicom"\nae_title = "TIBABU"\nhost = "10.0.0.1"\nport = 11112', "there, port=11112 as receive"),
        ('type = "mllp"\nhost = "localhost"\nport = 2575', "there, port=2575 as hl7"),
    ],
)
def test_this_agent_is_no_destination_of_its_own_where_reports_would_count_as_delivered(table: str, told: str) -> None:
    here = '[receive]\nhost = "10.0.0.1"\n[hl7]\nenabled = true\nport = 2575\n'
    destination = f'[[destinations]]\nname = "there"\nreports = []\n{table}\n'
    with pytest.raises(ConfigError, match=f"expected a destination that is not this agent. Received: {told}"):
        parse(f"{here}{destination}", FILE)
    elsewhere = destination.replace("11112", "104").replace("2575", "2576")
    assert parse(f"{here}{elsewhere}", FILE)
    if "TIBABU" in destination:  # our receiver refuses what is sent to another title: that is another program's
        assert parse(f"{here}{destination.replace('TIBABU', 'PACS')}", FILE)
