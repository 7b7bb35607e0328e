"""The tools that read what deploy/ ships, HAProxy, systemd and Prometheus, find nothing wrong with it."""

import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli.run import run
from agent.config.file import Config
from agent.process.roles import ROLES

pytestmark = pytest.mark.tools

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MOST_EXPOSED = 15  # tenths, as `systemd-analyze security` counts; of a unit without any sandboxing it says 96


def said(*command: object) -> tuple[int, str]:
    """Return a tool's exit status and what it has to say of errors."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode, done.stderr


def test_haproxy_takes_the_balancers_configuration_and_it_calls_the_product_by_its_defaults() -> None:
    file = DEPLOY / "haproxy.cfg"
    assert said("haproxy", "-c", "-f", file) == (0, "")
    section = Config().receive
    text = file.read_text()
    assert set(re.findall(r"server host\d \S+:(\d+)", text)) == {str(section.port), "2762"}
    request = bytes.fromhex(re.findall(r"send-binary (\w+)", text)[0])
    assert (request[0], request[10:26].decode().strip()) == (0x01, section.ae_title)
    assert int.from_bytes(request[2:6], "big") == len(request) - 6


def test_a_host_whose_tls_port_is_open_and_whose_agent_does_not_answer_is_down_for_tls_too(
    free_port: Callable[[], int], eventually: Callable[..., None], tmp_path: Path
) -> None:
    text, control = (DEPLOY / "haproxy.cfg").read_text(), tmp_path / "control"
    for word in ("user haproxy", "group haproxy"):
        text = text.replace(word, "")
    text = text.replace("/run/haproxy/admin.sock", str(control)).replace("inter 2s", "inter 100ms")
    text = re.sub(r"bind :\d+", lambda _: f"bind 127.0.0.1:{free_port()}", text)
    with socket.create_server(("127.0.0.1", 0)) as held:  # as systemd holds it: nobody accepts
        text = re.sub(r"10\.0\.0\.1\d:2762", f"127.0.0.1:{held.getsockname()[1]}", text)
        text = re.sub(r"10\.0\.0\.1\d:11112", lambda _: f"127.0.0.1:{free_port()}", text)
        (file := tmp_path / "haproxy.cfg").write_text(text)
        command, nothing = ["haproxy", "-db", "-f", str(file)], subprocess.DEVNULL
        with subprocess.Popen(command, stdout=nothing, stderr=nothing) as haproxy:  # noqa: S603
            try:
                eventually(lambda: control.is_socket() and "receivers,host1" in down(control))
                assert "receivers_tls,host1" in down(control)
            finally:
                haproxy.terminate()


def test_each_alarm_is_quiet_before_its_time_and_rings_after_it_as_prometheus_computes_it() -> None:
    tests = sorted((DEPLOY / "prometheus").glob("*.test.yml"))
    assert said("promtool", "test", "rules", *tests) == (0, "")
    named = re.findall(r"^  - name: (\w+)$", "".join(file.read_text() for file in tests), re.MULTILINE)
    rules = (DEPLOY / "prometheus" / "tibabu.rules.yml").read_text()
    assert sorted(named) == sorted(re.findall(r"- alert: (\w+)", rules))


@pytest.mark.parametrize("name", ["compose.yml", "kubernetes.yml"])
def test_prometheus_takes_the_configuration_by_which_it_asks(name: str, tmp_path: Path) -> None:
    text = (DEPLOY / "prometheus" / name).read_text()
    (token,) = re.findall(r"credentials_file: ([^}\s]+)}", text)
    (tmp_path / "token").write_text("x")
    text = text.replace(token, str(tmp_path / "token"))
    # Debian's promtool knows no cluster: what says where its pods are is left out here.
    text = re.sub(r"kubernetes_sd_configs:\n( {6}.*\n)+", "static_configs: [{targets: [a]}]\n", text)
    (tmp_path / name).write_text(text)
    (tmp_path / "tibabu.rules.yml").write_text((DEPLOY / "prometheus" / "tibabu.rules.yml").read_text())
    assert said("promtool", "check", "config", tmp_path / name) == (0, "")
    assert "job_name: tibabu\n" in text  # as the rules have it


def down(control: Path) -> set[str]:
    """Return the servers that a HAProxy finds down, with their backends."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(control))
        connection.sendall(b"show stat\n")
        with connection.makefile() as answer:
            rows = [line.split(",") for line in answer]
    return {",".join(row[:2]) for row in rows if "DOWN" in "".join(row[17:18])}


def test_haproxy_takes_the_configuration_of_the_proxy_in_front_of_the_pages(tmp_path: Path) -> None:
    pem = tmp_path / "web.pem"
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    made = said("openssl", "req", "-x509", *curve, "-nodes", "-subj", "/CN=x", "-keyout", key, "-out", certificate)
    assert made[0] == 0
    pem.write_text(certificate.read_text() + key.read_text())
    text = (DEPLOY / "compose" / "proxy.cfg").read_text().replace("/run/secrets/web.pem", str(pem))
    (copy := tmp_path / "proxy.cfg").write_text(text)
    assert said("haproxy", "-c", "-f", copy) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda file: file.name)
def test_systemd_finds_nothing_wrong_with_a_unit_that_runs_the_product_and_little_that_it_may_do(
    unit: Path, tmp_path: Path
) -> None:
    text = unit.read_text()
    command = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)[0].split()
    for role in ROLES:
        arguments = [role if word == "%i" else word for word in command[1:]]
        assert role in (run.make_context("run", arguments[1:]).params["only"] or ROLES)
    (copy := tmp_path / unit.name).write_text(text.replace(command[0], "/bin/true"))
    assert said("systemd-analyze", "verify", copy) == (0, "")
    assert said("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", copy) == (0, "")


def test_the_units_differ_in_nothing_but_what_they_run() -> None:
    one, other = (
        [
            line
            for line in unit.read_text().splitlines()
            if not line.startswith(("# /etc", "Description=", "ExecStart="))
        ]
        for unit in UNITS
    )
    assert one == other
