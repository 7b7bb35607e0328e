"""What deploy/ ships is valid for the tools that read it, and names only what the product has."""

import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from agent.cli.run import run
from agent.config.file import Config
from agent.process.roles import METRICS, ROLES

REPOSITORY = Path(__file__).parents[3]
DEPLOY = REPOSITORY / "deploy"
COMPOSE = sorted((DEPLOY / "compose").glob("*.yaml"))
KUSTOMIZATION = DEPLOY / "kubernetes" / "kustomization.yaml"
KUBERNETES = sorted(file for file in KUSTOMIZATION.parent.glob("*.yaml") if file != KUSTOMIZATION)


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


def objects(kind: str) -> list[dict[str, Any]]:
    return [one for file in KUBERNETES for one in documents(file) if one["kind"] == kind]


def pods() -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in objects("Deployment")}


def configured() -> Config:
    (found,) = objects("ConfigMap")
    return Config.model_validate(tomllib.loads(found["data"]["config.toml"]))


def containers() -> dict[str, dict[str, Any]]:
    return {name: pod["containers"][0] for name, pod in pods().items()}


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
    run_there = [role for one in containers().values() for role in roles_run(one["args"]) if role != METRICS]
    assert sorted(run_there) == sorted(ROLES)
    config = configured()
    assert containers()["receive"]["ports"][0] == {"name": "dicom", "containerPort": config.receive.port}
    for one in containers().values():
        mounts = {mount["mountPath"] for mount in one["volumeMounts"]}
        assert any(config.store.folder.is_relative_to(mount) for mount in mounts)
        assert str(config.database.url_file).startswith("/run/secrets/tibabu/")


def test_no_pod_has_more_rights_than_the_strictest_standard_grants_nor_a_disk_to_write_to_beside_its_volumes() -> None:
    """Kubernetes' Pod Security Standard "restricted", which the namespace enforces."""
    (namespace,) = objects("Namespace")
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    for pod in pods().values():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert not [volume for volume in pod["volumes"] if "hostPath" in volume]
        for one in pod["containers"]:
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(one["resources"]) == {"requests", "limits"}


def test_every_pod_is_asked_how_it_is_and_answers_scrapes_to_who_holds_a_token() -> None:
    section = configured().metrics
    assert section.token
    for name, one in containers().items():
        assert METRICS in roles_run(one["args"])
        assert {"name": "metrics", "containerPort": section.port} in one["ports"], name
        asked = {one[kind].get("httpGet", {}).get("path") for kind in ("readinessProbe", "livenessProbe")}
        # The receiver is asked at the port that scanners call, and the page at its own.
        assert asked == ({None} if name in {"receive", "web"} else {"/readyz", "/healthz"})
        ports = {one[kind]["httpGet"]["port"] for kind in ("readinessProbe", "livenessProbe") if asked != {None}}
        assert ports <= {"metrics"}


def test_an_update_takes_no_pod_away_before_the_next_one_serves() -> None:
    for one in objects("Deployment"):
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        assert one["spec"]["strategy"] == strategy, one["metadata"]["name"]
        assert "readinessProbe" in one["spec"]["template"]["spec"]["containers"][0]


def test_what_selects_and_scales_finds_a_deployment() -> None:
    labels = {one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"] for one in objects("Deployment")}
    for one in objects("Deployment"):
        assert one["spec"]["selector"]["matchLabels"] == labels[one["metadata"]["name"]]
    (service,) = objects("Service")
    assert service["spec"]["selector"] == labels["receive"]
    several = {one["metadata"]["name"] for one in objects("Deployment") if one["spec"]["replicas"] > 1}
    budgets = {
        one["metadata"]["name"]: one["spec"]["selector"]["matchLabels"] for one in objects("PodDisruptionBudget")
    }
    assert budgets == {name: labels[name] for name in several}
    (scaler,) = objects("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] in labels


def test_the_network_lets_through_scanners_to_the_receiver_prometheus_to_figures_and_pods_to_the_hospital() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in objects("NetworkPolicy")}
    assert policies["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    let_in = {name: spec["ingress"] for name, spec in policies.items() if "ingress" in spec}
    assert {name: [rule["ports"] for rule in rules] for name, rules in let_in.items()} == {
        "scanners": [[{"protocol": "TCP", "port": "dicom"}]],
        "prometheus": [[{"protocol": "TCP", "port": "metrics"}]],
    }
    (prometheus,) = let_in["prometheus"]
    assert prometheus["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    blocks = [
        peer["ipBlock"]["cidr"]
        for spec in policies.values()
        for rule in (*spec.get("ingress", ()), *spec.get("egress", ()))
        for peer in (*rule.get("from", ()), *rule.get("to", ()))
        if "ipBlock" in peer
    ]
    assert blocks == ["10.0.0.0/8"] * 2


def test_the_kustomization_takes_every_file_and_names_the_image() -> None:
    (found,) = documents(KUSTOMIZATION)
    assert sorted(found["resources"]) == [file.name for file in KUBERNETES]
    assert [one["name"] for one in found["images"]] == list({one["image"] for one in containers().values()})


def test_the_image_is_made_of_what_is_in_the_repository_and_starts_the_product() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copied = [words for words in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for words in words.split()]
    assert all((REPOSITORY / one).exists() for one in copied)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert json.loads(re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[0]) == list(project["scripts"])
    assert roles_run(json.loads(re.findall(r"^CMD (.*)$", text, re.MULTILINE)[0])) == ROLES
    assert f"EXPOSE {Config().receive.port}\n" in text
    sent = re.findall(r"^!(.*)$", (DEPLOY / "Containerfile.dockerignore").read_text(), re.MULTILINE)
    assert sent == copied
    names = re.findall(r'"\.\[(.*)\]"', text)[0].split(",")
    assert set(names) == set(project["optional-dependencies"]) - {"train", "test", "dev", "docs"}, (
        "what a site may configure"
    )


@pytest.mark.parametrize("name", ["one-host", "roles"])
def test_no_container_asks_for_more_processors_than_a_small_host_has(name: str) -> None:
    """Docker makes no container whose limit is above what the host has."""
    (found,) = documents(DEPLOY / "compose" / f"{name}.yaml")
    limits = [one["deploy"]["resources"]["limits"] for one in found["services"].values()]
    assert all(float(limit.get("cpus", 1)) <= 2 for limit in limits)
    assert all("memory" in limit for limit in limits)


def test_what_stands_around_the_roles_is_asked_where_it_listens() -> None:
    compose = DEPLOY / "compose"
    config = Config.model_validate(tomllib.loads((compose / "roles.toml").read_text()))
    orthanc = json.loads((compose / "orthanc.json").read_text())
    proxy = (compose / "proxy.cfg").read_text()
    binds = re.findall(r"^ +bind :(\d+)", proxy, re.MULTILINE)
    servers = re.findall(r"^ +server \w+ ([\d.]+):(\d+)", proxy, re.MULTILINE)
    ours = [(one.host, str(one.port)) for one in (config.receive, config.web)]
    assert servers == ours
    assert config.receive.balancers == (config.web.host,)
    assert config.web.behind_proxy
    (pacs,) = config.destinations
    assert (pacs.host, pacs.port, pacs.ae_title) == ("127.0.0.1", orthanc["DicomPort"], orthanc["DicomAet"])
    stands = documents(compose / "roles.yaml")[0]["services"]["orthanc"]
    (folder,) = stands["command"]  # Orthanc ends where it is given a second one
    assert f"./orthanc.json:{folder}/orthanc.json:ro" in stands["volumes"]
    assert (folder, stands["secrets"]) == ("/run/secrets", ["registered-users.json"])
    known = orthanc["DicomModalities"]["tibabu"]
    assert (known["AET"], str(known["Port"])) == (config.receive.ae_title, binds[0])
    (found,) = documents(compose / "roles.yaml")
    for one in found["services"].values():
        assert one["read_only"]
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
    ((target,),) = (
        one["targets"]
        for job in documents(DEPLOY / "prometheus" / "compose.yml")[0]["scrape_configs"]
        for one in job["static_configs"]
    )
    assert target == f"{config.web.host}:{config.web.port}"
    assert config.metrics.folder is not None
    for one in services(compose / "roles.yaml").values():
        assert f"counts:{config.metrics.folder}" in one["volumes"]
    named = set(re.findall(r"/run/secrets/([\w.-]+)", proxy + str(found["services"]))) - {"orthanc.json"}
    for secret in named:
        assert secret in found["secrets"], secret
