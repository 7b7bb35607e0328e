"""TLS in config.toml: where files are looked for, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config.file import Config, load
from agent.errors import ConfigError
from dicom_io.tls import TlsClientSettings, TlsServerSettings

PACS = '[[destinations]]\nname = "pacs"\ntype = "dicom"\nae_title = "PACS"\nhost = "10.0.0.5"\nport = 104\n'


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[str], Config]:
    """Return `loaded(text)`: the config of a file that holds it."""

    def make(text: str) -> Config:
        path = tmp_path / "site.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)

    return make


def test_relative_files_start_at_the_config_file(loaded: Callable[[str], Config], tmp_path: Path) -> None:
    config = loaded(
        '[receive]\nplain = false\n[receive.tls]\ncertificate = "our.pem"\nkey = "/our.key"\nclient_ca = "ca.pem"\n'
        '[[peers]]\nae_title = "WALL"\nhost = "wall"\nport = 2762\ntls = true\ntls_ca_file = "wall.pem"\n'
        f'{PACS}tls = true\ntls_certificate = "our.pem"\ntls_key = "our.key"\ntls_verify_host_name = false\n'
    )
    assert config.receive.tls is not None
    assert config.receive.tls.port == 2762
    assert config.receive.tls.settings == TlsServerSettings(
        certificate=tmp_path / "our.pem", key=Path("/our.key"), client_ca=tmp_path / "ca.pem"
    )
    (peer,) = config.peers
    assert peer.listens is not None
    assert peer.listens.tls == TlsClientSettings(ca_file=tmp_path / "wall.pem")
    (pacs,) = config.destinations
    assert pacs.client_tls == TlsClientSettings(  # type: ignore[attr-defined]
        certificate=tmp_path / "our.pem", key=tmp_path / "our.key", verify_host_name=False
    )


def test_nobody_is_called_over_tls_unless_it_is_said(loaded: Callable[[str], Config]) -> None:
    (pacs,) = loaded(PACS).destinations
    assert pacs.client_tls is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[receive]\nplain = false\n", "receive: .*expected plain = true or a table"),
        ('[receive.tls]\ncertificate = "our.pem"\n', "receive.tls.key: Field required"),
        (f'{PACS}tls_ca_file = "ca.pem"\n', r"destinations\[0\].*expected tls = true with TLS files"),
        (f'{PACS}tls = true\ntls_key = "our.key"\n', r"destinations\[0\].*expected tls_certificate and tls_key"),
    ],
)
def test_half_of_what_tls_needs_is_refused(loaded: Callable[[str], Config], text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        loaded(text)
