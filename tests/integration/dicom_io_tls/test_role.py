"""TLS from config.toml to the wire: the role `receive` as it runs, called by DCMTK."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.cli.installation import check
from agent.config.file import Config, load
from agent.process.app import run_role
from agent.process.parts import open_rows
from db.migrate import upgrade

pytestmark = pytest.mark.tools


def test_the_configured_role_serves_peers_with_certificates_and_no_port_without_tls(
    tmp_path: Path, certificates: Path, run: Any, instance: Path
) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        f"""\
        [receive]
        host = "127.0.0.1"
        plain = false
        [receive.tls]
        port = 0
        certificate = "{certificates}/server.pem"
        key = "{certificates}/server.key"
        client_ca = "{certificates}/ca.pem"
        """,
        encoding="utf-8",
    )
    config: Config = load(path)
    database = open_rows(config)
    upgrade(database)
    database.dispose()
    stop, is_ready, facts = threading.Event(), threading.Event(), dict[str, Any]()

    def ready(_: str, **told: object) -> None:
        facts.update(told)
        is_ready.set()

    role = threading.Thread(target=run_role, args=("receive", config, stop, ready))
    role.start()
    try:
        assert is_ready.wait(60)
        assert "port" not in facts
        own = ("+tls", certificates / "xray.key", certificates / "xray.pem", "+cf", certificates / "ca.pem")
        status, said = run("storescu", *own, "-aec", "TIBABU", "127.0.0.1", facts["tls_port"], instance)
        assert status == 0, said
        anonymous = ("+tla", "+cf", certificates / "ca.pem", "-aec", "TIBABU")
        assert run("echoscu", *anonymous, "127.0.0.1", facts["tls_port"])[0] != 0
    finally:
        stop.set()
        role.join(60)


def test_check_asks_each_peer_that_listens_over_tls_where_it_speaks_that(
    tmp_path: Path, certificates: Path, start_scp: Any
) -> None:
    port = start_scp(ae_title="WALL").tls_port
    path = tmp_path / "site.toml"
    peers = "".join(
        f'[[peers]]\nae_title = "{title}"\nhost = "127.0.0.1"\nport = {port}\n{tls}\n'
        for title, tls in (("WALL", f'tls = true\ntls_ca_file = "{certificates}/ca.pem"'), ("DEAF", ""))
    )
    path.write_text(f'{peers}[[peers]]\nae_title = "XRAY"\n', encoding="utf-8")
    checked = CliRunner().invoke(check, ["--config", str(path), "--json"])
    found = {one["check"]: one["ok"] for one in json.loads(checked.stdout)}
    assert {name: ok for name, ok in found.items() if name.startswith("peer ")} == {
        "peer WALL": True,
        "peer DEAF": False,
    }
