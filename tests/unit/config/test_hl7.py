"""The table [hl7]: off and local unless a site opens it, and then never to everybody."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.config.file import Config, resolve
from agent.process.roles import roles_of


def config(**section: Any) -> Config:
    return Config.model_validate({"hl7": section})


def test_it_is_a_role_only_where_it_is_enabled() -> None:
    assert "hl7" not in roles_of(Config())
    assert "hl7" in roles_of(config(enabled=True))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"host": "0.0.0.0"}, "expected senders"),  # noqa: S104 - which is refused
        ({"senders": ["10.0.0.7/8"]}, "expected an address"),
        ({"accession_fields": ["OBR18"]}, "expected a field such as OBR-18"),
        ({"character_set": "EBCDIC"}, "expected a term of HL7 table 0211"),
        ({"tls_key": "k.pem"}, "expected tls_certificate and tls_key together"),
        ({"tls_client_ca": "ca.pem"}, "expected tls_certificate and tls_key with tls_client_ca"),
    ],
)
def test_what_would_be_wrong_is_refused(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        config(**section)


def test_the_settings_reach_the_listener() -> None:
    section = resolve(
        config(
            host="10.0.0.3",
            senders=["10.0.0.0/24"],
            tls_certificate="a.pem",
            tls_key="a.key",
            accession_fields=["OBR-19"],
            processing_ids=["T"],
            unknown_messages="accept",
            maximum_message_kilobytes=2,
        ),
        Path("/etc"),
    ).hl7
    assert section.listener.tls is not None
    assert section.listener.tls.certificate == Path("/etc/a.pem")
    assert (section.listener.maximum_message_bytes, [str(one) for one in section.listener.senders]) == (
        2000,
        ["10.0.0.0/24"],
    )
    assert (section.meaning.accession_places, section.meaning.accepts_unknown) == ((("OBR", 19),), True)
    assert section.incoming.processing_ids == {"T", ""}
