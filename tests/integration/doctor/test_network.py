"""Certificates, accounts, destinations and peers: real certificates, real associations."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.doctor import network, services
from agent.simulation.moods import Mood
from agent.simulation.pacs import MoodyPacs

WEB = {"accounts": False, "port": 0, "host": "127.0.0.1"}


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({"days": -0.1}, "certificate-expired", "expected a certificate that is valid now"),
        ({"began": 1}, "certificate-expired", "valid from"),
        ({"days": 20.5}, "certificate-ends", "20 days left"),
        ({"host": "other.example"}, "certificate-of-another", "tibabu.example"),
        ({"passphrase": b"x"}, "certificate-unusable", "without a passphrase"),
    ],
)
def test_a_certificate_that_is_not_fit_is_found_until_another_takes_its_place(
    installation: Any, certify: Any, given: dict[str, Any], code: str, said: str
) -> None:
    chain, key = certify("web", **given)
    installation.set("web", **WEB, names=["tibabu.example"], tls_certificate=chain, tls_key=key)
    found = installation.found(services.look)
    assert found.keys() == {code}
    assert said in found[code].detail
    assert found[code].check == "web"
    if code != "certificate-unusable":
        assert installation.run(found[code].commands[0])
    certify("web")
    assert installation.found(services.look) == {}


def test_a_key_of_another_certificate_is_found_wherever_one_is_shown(installation: Any, certify: Any) -> None:
    (chain, _), (_, key) = certify("one"), certify("two")
    both = {"tls_certificate": chain, "tls_key": key}
    installation.set("web", **WEB, **both)
    installation.set("dicomweb", enabled=True, port=0, **both)
    installation.set("metrics", port=0, **both)
    installation.set("hl7", enabled=True, port=0, **both)
    installation.set("audit", syslog="127.0.0.1:6514", **both)
    installation.set("receive.tls", port=0, certificate=chain, key=key)
    called = f'tls = true\ntls_certificate = "{chain}"\ntls_key = "{key}"\nhost = "127.0.0.1"\nport = 1\n'
    installation.more = f'[[destinations]]\nname = "pacs"\ntype = "dicom"\nae_title = "PACS"\n{called}'
    installation.more += f'[[peers]]\nae_title = "XRAY"\n{called}'
    installation.write()
    with installation.patient() as patient:
        found = [one for one in services.look(patient) if one.remedy is services.CERTIFICATE_UNUSABLE]
    assert [one.check for one in found] == [
        "web",
        "dicomweb",
        "metrics",
        "hl7",
        "receive.tls",
        "certificate syslog",
        "certificate XRAY",
        "certificate pacs",
    ]
    assert [one.keys[0] for one in found] == [
        "web.tls_certificate",
        "dicomweb.tls_certificate",
        "metrics.tls_certificate",
        "hl7.tls_certificate",
        "receive.tls.certificate",
        "audit.tls_certificate",
        "peers.tls_certificate",
        "destinations.tls_certificate",
    ]


def test_pages_that_nobody_may_use_are_found_until_somebody_may(installation: Any) -> None:
    installation.set("web", **(WEB | {"accounts": True}))
    installation.set("dicomweb", enabled=True, port=0)
    found = installation.found(services.look)
    assert found.keys() == {"no-admin", "no-token"}
    for one in found.values():
        installation.run(one.commands[0], NAME="somebody")
    assert installation.found(services.look) == {}


def destination(port: int, **more: Any) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in more.items())
    place = f'ae_title = "SIMPACS"\nhost = "127.0.0.1"\nport = {port}\n'
    return f'[[destinations]]\nname = "pacs"\ntype = "dicom"\n{place}{lines}'


def peer(port: int, **more: Any) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in more.items())
    return f'[[peers]]\nae_title = "SIMPACS"\nhost = "127.0.0.1"\nport = {port}\n{lines}'


def test_a_destination_and_a_peer_are_away_refuse_or_answer(
    installation: Any, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    installation.more = destination(port := free_port()) + peer(port)
    installation.write()
    found = installation.found(network.look)
    assert found.keys() == {"destination-away", "peer-away"}
    assert "Connection refused" in found["peer-away"].detail
    with MoodyPacs(tmp_path / "pacs", port=port) as pacs:
        pacs.be(Mood.REJECTS)
        found = installation.found(network.look)
        assert found.keys() == {"destination-refuses", "peer-refuses"}
        assert "TIBABU entered there" in found["peer-refuses"].words
        pacs.be(Mood.ACCEPTS)
        assert installation.found(network.look) == {}
        installation.run(found["peer-refuses"].commands[0])


def test_a_called_one_that_does_not_speak_tls_is_found(installation: Any, tmp_path: Path) -> None:
    with MoodyPacs(tmp_path / "pacs") as pacs:
        installation.more = destination(pacs.port, tls="true") + peer(pacs.port, tls="true")
        installation.write()
        assert installation.found(network.look).keys() == {"destination-tls-fails", "peer-tls-fails"}


def test_nothing_is_sent_anywhere_or_only_on_trial(installation: Any) -> None:
    assert installation.found(network.look).keys() == {"no-destination"}
    installation.more = destination(1, test_folder='"trial"')
    installation.write()
    assert "Take test_folder out of pacs" in installation.found(network.look)["destination-on-trial"].words
