"""Configuration, machine and store: each thing is broken for real, found, and gone once it is mended."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit, setrlimit
from typing import Any

import pytest

from agent.doctor import configuration, host, models, store
from agent.doctor.examination import guarded
from agent.process.parts import utc_now
from dicom_io.folder_store import FolderStore

NOBODY = 65534
FROM_A_CONTAINER = """
import os, sys
from pathlib import Path
from agent.config.file import load
from agent.doctor.finding import Patient
from agent.doctor.host import look_at_ports
from agent.process.parts import utc_now
patient = Patient(config=load(Path(sys.argv[1])), path=None, named=False, clock=utc_now)
for _ in range(2):
    print(*(f"{one.severity.value} {one.detail}" for one in look_at_ports(patient) if one.check == "port receive"))
    os.seteuid(65534)
"""


@contextmanager
def as_nobody() -> Iterator[None]:
    """Have no rights for a block; whoever runs the tests without any has none already."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(mine)


def test_a_fit_installation_has_nothing_to_be_mended(installation: Any) -> None:
    assert installation.examined().keys() - {"clock-not-kept"} == {"no-destination"}


def test_a_wrong_key_is_told_with_the_one_that_was_meant(installation: Any) -> None:
    installation.set("store", foldr="x")
    found = installation.examined()["config-wrong"]
    assert "store.foldr: not permitted, no such key; did you mean folder?" in found["detail"]
    assert found["commands"][0].endswith("-m agent.config.text")
    del installation.sections["store"]["foldr"]
    installation.write()
    assert "config-wrong" not in installation.examined()


def test_who_else_can_read_a_secret_is_found_until_nobody_can(installation: Any) -> None:
    installation.more = (
        '[[destinations]]\nname = "x"\ntype = "stow"\nurl = "https://127.0.0.1/x"\nsecret_file = "token"\n'
    )
    installation.set("database", url="postgresql://tibabu:secret@127.0.0.1/x")
    keys = {"access_key_file": "access", "secret_key_file": "secret"}
    installation.set("store.s3", url="s3://bucket/x", **keys)
    (token := installation.folder / "token").touch(0o644)
    for name in keys.values():
        (installation.folder / name).write_text("x")
        (installation.folder / name).chmod(0o644)
    installation.config.chmod(0o640)
    mended = 0
    while found := installation.found(configuration.look):
        installation.run(found["secret-readable"].commands[0])
        mended += 1
    assert mended == 4
    secrets = [token, installation.config, *(installation.folder / name for name in keys.values())]
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


def test_a_clock_that_nothing_keeps_is_found(installation: Any) -> None:
    assert installation.found(partial(host.look_at_clock, ask=lambda: 5)).keys() == {"clock-not-kept"}
    for kept in (0, -1):
        assert installation.found(partial(host.look_at_clock, ask=lambda kept=kept: kept)) == {}
    assert -1 <= host.kernel_clock() <= 5


def test_a_limit_of_open_files_below_what_associations_take_is_found(installation: Any) -> None:
    look = partial(host.look_at_files, running=lambda: iter(()))
    before = getrlimit(RLIMIT_NOFILE)
    installation.set("receive", maximum_associations=300)
    try:
        setrlimit(RLIMIT_NOFILE, (1100, before[1]))
        assert "LimitNOFILE=1200" in installation.found(look)["few-open-files"].words
        setrlimit(RLIMIT_NOFILE, (1200, before[1]))
        assert installation.found(look) == {}
    finally:
        setrlimit(RLIMIT_NOFILE, before)


@pytest.mark.parametrize("section", ["web", "metrics"])
def test_a_port_that_another_program_has_is_found_until_that_lets_go(installation: Any, section: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        installation.set(section, port=other.getsockname()[1])
        found = installation.found(host.look_at_ports)["port-taken"]
        assert f"process {os.getpid()} (" in found.detail
        assert found.keys == (f"{section}.port",)
    assert installation.found(host.look_at_ports) == {}


@pytest.mark.chaos
def test_a_port_of_an_agent_in_another_container_is_not_another_programs(installation: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as receiver:
        installation.set("receive", port=receiver.getsockname()[1])
        container = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", FROM_A_CONTAINER]
        seen = subprocess.run([*container, installation.config], check=True, capture_output=True, text=True)  # noqa: S603
    place = f"0.0.0.0:{installation.sections['receive']['port']}"
    assert seen.stdout.splitlines() == [
        f"ok {place}, served by a process of this account, which cannot be seen from here: in another container",
        f"error expected {place} to be free or ours. Received: it is a process of another account's",
    ]


def test_a_port_that_needs_a_right_is_found_where_the_account_has_none(installation: Any) -> None:
    for low in range(1023, 512, -1):
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", low)):  # nothing of this machine's listens there
                break
    installation.set("receive", port=low)
    with installation.patient() as patient, as_nobody():
        found = {one.remedy.code: one for one in host.look_at_ports(patient) if one.remedy}
    assert found.keys() == {"port-privileged"}
    assert found["port-privileged"].keys == ("receive.port",)
    installation.set("receive", port=11112)
    with installation.patient() as patient, as_nobody():
        assert "port-privileged" not in {one.remedy.code for one in host.look_at_ports(patient) if one.remedy}


def test_an_address_that_this_machine_does_not_have_is_found(installation: Any) -> None:
    installation.set("receive", host="192.0.2.1")
    assert installation.found(host.look_at_ports)["address-elsewhere"].keys == ("receive.host",)
    installation.set("receive", host="127.0.0.1")
    assert installation.found(host.look_at_ports) == {}


def test_too_little_room_is_an_error_and_little_room_a_warning(installation: Any) -> None:
    endless = 10**12
    installation.set("store", minimum_free_megabytes=endless)
    assert "disk-full" in installation.found(store.look_at_room)
    installation.set("store", minimum_free_megabytes=1, low_megabytes=endless)
    assert installation.found(store.look_at_room).keys() == {"disk-low"}
    installation.set("store", low_megabytes=1)
    assert installation.found(store.look_at_room) == {}


def test_a_store_that_cannot_be_written_is_found(installation: Any) -> None:
    with tempfile.TemporaryDirectory() as place:
        (folder := Path(place) / "store").mkdir(0o500)
        Path(place).chmod(0o755)
        installation.set("store", folder=str(folder))
        with installation.patient() as patient, as_nobody():
            codes = [one.remedy.code for one in store.look_at_rights(patient) if one.remedy]
        assert codes == ["store-not-writable"]
        folder.chmod(0o700)
        assert installation.found(store.look_at_rights) == {}


def test_what_may_not_be_read_is_a_finding_and_the_other_looks_go_on(installation: Any) -> None:
    installation.receive()
    with tempfile.TemporaryDirectory() as place:  # which is for its owner only
        installation.set("store", folder=f"{place}/store")
        with installation.patient() as patient, as_nobody():
            found = [one.remedy.code for one in guarded(store.look_at_rights, patient) if one.remedy]
    assert found == ["cannot-look"]


@pytest.mark.chaos
def test_who_looks_under_another_account_is_told_under_which_to_look(installation: Any) -> None:
    os.chown(installation.store, NOBODY, NOBODY)
    found = installation.found(store.look_at_rights)["other-account"]
    assert found.commands[0].startswith("sudo -u nobody tibabu check --config ")
    os.chown(installation.store, 0, 0)
    assert installation.found(store.look_at_rights) == {}


def test_patient_data_that_every_account_can_read_are_found_until_none_can(installation: Any) -> None:
    installation.store.chmod(0o755)
    installation.run(installation.found(store.look_at_rights)["store-open"].commands[0])
    assert installation.found(store.look_at_rights) == {}


def test_a_store_whose_disk_is_not_mounted_is_found(installation: Any, tmp_path: Path) -> None:
    installation.receive()
    installation.store.rename(tmp_path / "away")
    assert installation.found(store.look_at_files).keys() == {"store-files-missing"}
    (tmp_path / "away").rename(installation.store)
    assert installation.found(store.look_at_files) == {}


def test_a_store_that_another_agent_fills_is_found(installation: Any) -> None:
    stored = FolderStore(installation.store).put(b"another agent's")
    long_ago = (utc_now() - timedelta(hours=2)).timestamp()
    assert installation.found(store.look_at_files) == {}, "it may be just being received"
    os.utime(installation.store / stored.path, (long_ago, long_ago))
    assert "store-of-another" in installation.found(store.look_at_files)
    (installation.store / stored.path).unlink()
    assert installation.found(store.look_at_files) == {}


def test_an_object_store_that_does_not_answer_is_found(installation: Any, free_port: Callable[[], int]) -> None:
    s3 = {"url": "s3://bucket/x", "endpoint": f"http://127.0.0.1:{free_port()}", "region": "x"}
    installation.set("store.s3", **s3, connection_timeout_seconds=0.2, response_timeout_seconds=0.5)
    assert installation.found(store.look_at_objects).keys() == {"object-store-fails"}


def test_a_model_that_is_not_there_or_not_its_cards_is_found(
    installation: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from model import zoo  # noqa: PLC0415 - of this test only

    installation.set("model", shadow="oracle")
    assert installation.found(models.look)["model-unusable"].keys == ("model.shadow",)
    installation.set("model", shadow="")
    known = zoo.architecture("efficientnet_lite0")
    (damaged := tmp_path / "damaged.npz").write_bytes(b"x" + known.weights_path.read_bytes()[1:])
    with monkeypatch.context() as patch:
        patch.setattr(zoo, "architecture", lambda _name: type(known)(**{**vars_of(known), "weights_path": damaged}))
        assert "with sha256=" in installation.found(models.look)["model-unusable"].detail
    assert installation.found(models.look) == {}


def test_ages_that_nobody_has_and_that_the_model_was_not_validated_on_are_found(installation: Any) -> None:
    installation.set("gate", minimum_age_years=50)
    assert "from 50 to below 6 years" in installation.found(models.look)["ages-of-nobody"].detail
    installation.set("gate", minimum_age_years=1, maximum_age_years=18)
    assert "from 1 to below 18 years" in installation.found(models.look)["ages-not-validated"].detail
    installation.set("gate", minimum_age_years=2, maximum_age_years=6)
    assert installation.found(models.look) == {}


def test_a_runtime_that_is_asked_for_and_not_installed_is_found(
    installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.set("model", runtime="openvino")
    with monkeypatch.context() as patch:
        patch.setattr("model.runtime.find_spec", lambda _name: None)
        assert installation.found(models.look).keys() == {"runtime-missing"}
    assert installation.found(models.look) == {}


def vars_of(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in type(one).__dataclass_fields__}
