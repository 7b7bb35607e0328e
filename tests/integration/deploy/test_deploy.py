"""What deploy/ ships is valid for the tools that read it, and names only what the product has."""

import json
import re
import subprocess
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from agent.app import ROLES
from agent.cli.run import run
from agent.config import Config

REPOSITORY = Path(__file__).parents[3]
DEPLOY = REPOSITORY / "deploy"
COMPOSE = sorted((DEPLOY / "compose").glob("*.yaml"))
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def roles_run(arguments: list[str]) -> tuple[str, ...]:
    """Let the product read a command line of `tibabu`; return the roles that it runs."""
    assert arguments[0] == "run"
    only: tuple[str, ...] = run.make_context("run", arguments[1:]).params["only"]
    return only or ROLES


def services(file: Path) -> dict[str, dict[str, Any]]:
    (found,) = documents(file)
    return {name: one for name, one in found["services"].items() if one["image"] == "tibabu"}


def containers() -> dict[str, dict[str, Any]]:
    found = [one for file in KUBERNETES for one in documents(file) if one["kind"] == "Deployment"]
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0] for one in found}


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_a_compose_file_is_one_by_its_specification_and_runs_every_role(file: Path) -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    (found,) = documents(file)
    jsonschema.validate(found, json.loads(schema.read_text()))
    run_there = [role for one in services(file).values() for role in roles_run(one["command"])]
    assert sorted(run_there) == sorted(ROLES)
    for one in services(file).values():
        build = (file.parent / one["build"]["context"]).resolve()
        assert (build, (build / one["build"]["dockerfile"]).exists()) == (REPOSITORY, True)
        config = next(mount for mount in one["volumes"] if mount.endswith(":/etc/tibabu/config.toml:ro"))
        Config.model_validate(tomllib.loads((file.parent / config.partition(":")[0]).read_text()))


@pytest.mark.parametrize("file", KUBERNETES, ids=lambda file: file.name)
def test_every_kubernetes_object_is_one_by_its_schema(file: Path) -> None:
    for one in documents(file):
        kubernetes_validate.validate(one, desired_version="1.31", strict=True)


def test_the_deployments_are_the_roles_and_their_configuration_is_the_products() -> None:
    assert sorted(role for one in containers().values() for role in roles_run(one["args"])) == sorted(ROLES)
    shared = {one["kind"]: one for one in documents(DEPLOY / "kubernetes" / "shared.yaml")}
    config = Config.model_validate(tomllib.loads(shared["ConfigMap"]["data"]["config.toml"]))
    (port,) = containers()["receive"]["ports"]
    assert port["containerPort"] == config.receive.port
    for one in containers().values():
        mounts = {mount["mountPath"] for mount in one["volumeMounts"]}
        assert any(config.store.folder.is_relative_to(mount) for mount in mounts)
        assert str(config.database.url_file).startswith("/run/secrets/tibabu/")
        assert one["securityContext"]["readOnlyRootFilesystem"]


def test_what_selects_and_scales_finds_a_deployment() -> None:
    found = [one for file in KUBERNETES for one in documents(file)]
    deployments = {one["metadata"]["name"]: one for one in found if one["kind"] == "Deployment"}
    for one in deployments.values():
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"] == labels
    selectors = [one["spec"]["selector"] for one in found if one["kind"] in ("Service", "PodDisruptionBudget")]
    receiving = deployments["receive"]["spec"]["template"]["metadata"]["labels"]
    assert [one.get("matchLabels", one) for one in selectors] == [receiving] * 2
    (scaler,) = (one for one in found if one["kind"] == "HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] in deployments


def test_the_image_is_made_of_what_is_in_the_repository_and_starts_the_product() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copied = [words for words in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for words in words.split()]
    assert all((REPOSITORY / one).exists() for one in copied)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert json.loads(re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[0]) == list(project["scripts"])
    assert roles_run(json.loads(re.findall(r"^CMD (.*)$", text, re.MULTILINE)[0])) == ROLES
    assert f"EXPOSE {Config().receive.port}\n" in text


@pytest.mark.tools
def test_haproxy_takes_its_configuration_and_it_calls_the_product_by_its_defaults() -> None:
    file = DEPLOY / "haproxy.cfg"
    done = subprocess.run(["haproxy", "-c", "-f", str(file)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert (done.returncode, done.stderr) == (0, "")
    section = Config().receive
    text = file.read_text()
    assert set(re.findall(r"server host\d \S+:(\d+)", text)) == {str(section.port), "2762"}
    request = bytes.fromhex(re.findall(r"send-binary (\w+)", text)[0])
    assert (request[0], request[10:26].decode().strip()) == (0x01, section.ae_title)
    assert int.from_bytes(request[2:6], "big") == len(request) - 6


@pytest.mark.tools
@pytest.mark.parametrize("unit", UNITS, ids=lambda file: file.name)
def test_systemd_finds_nothing_wrong_with_a_unit_that_runs_the_product(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    command = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)[0].split()
    for role in ROLES:
        arguments = [role if word == "%i" else word for word in command[1:]]
        assert role in roles_run(arguments)
    (copy := tmp_path / unit.name).write_text(text.replace(command[0], "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert (done.returncode, done.stderr) == (0, "")
