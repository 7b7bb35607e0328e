"""[dicomweb]: off by default, and never open to a network without protection."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.config.dicomweb import DicomwebSection
from agent.config.file import Config, resolve
from agent.process.roles import roles_of


def test_it_is_off_by_default_and_a_process_of_its_own_when_it_is_on() -> None:
    assert "dicomweb" not in roles_of(Config())
    assert "dicomweb" in roles_of(Config.model_validate({"dicomweb": {"enabled": True}}))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.8", "hospital.example", "192.0.2.1"])  # noqa: S104 - refused
def test_an_address_that_others_reach_wants_a_certificate_or_a_proxy(host: str) -> None:
    with pytest.raises(ValidationError, match="expected tls_certificate and tls_key, or behind_proxy"):
        DicomwebSection(host=host)
    assert DicomwebSection(host=host, behind_proxy=True).host == host
    assert DicomwebSection(host=host, tls_certificate=Path("a"), tls_key=Path("b")).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_loopback_needs_neither(host: str) -> None:
    assert DicomwebSection(host=host).host == host


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="together"):
        DicomwebSection(tls_certificate=Path("a"))


@pytest.mark.parametrize("origin", ["*", "viewer.example", "https://viewer.example/", "ftp://viewer.example", "null"])
def test_an_origin_is_a_scheme_and_a_host(origin: str) -> None:
    with pytest.raises(ValidationError, match="expected an origin"):
        DicomwebSection(allowed_origins=(origin,))


def test_relative_paths_start_at_the_config_file() -> None:
    section = {"tls_certificate": "a.pem", "tls_key": "/b.key"}
    found = resolve(Config.model_validate({"dicomweb": section}), Path("/etc/tibabu")).dicomweb
    assert (found.tls_certificate, found.tls_key) == (Path("/etc/tibabu/a.pem"), Path("/b.key"))
