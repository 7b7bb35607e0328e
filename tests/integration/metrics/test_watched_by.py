"""The alarms and the dashboard speak of what a running agent tells, and of nothing else."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from agent.metrics.text import rows
from db.delivery_state import DeliveryState
from db.outcome import Outcome
from db.trouble import Trouble

REPOSITORY = Path(__file__).parents[3]
RULES = REPOSITORY / "deploy" / "prometheus" / "tibabu.rules.yml"
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "tibabu.json"
METRIC = re.compile(r"(?<![\w.])(tibabu_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')
GROUPED = re.compile(r"by \(([^)]*)\)")
VALUES = {
    "trouble": set(Trouble),
    "outcome": set(Outcome),
    "how": {"concluded", "withdrawn", "amended", "died", "killed", "recycled"},
    "status": {"A700", "A701", "A900", "C000"},
    "kind": {"score", "compare", "conclude", "withdraw", "amend", "reject"},
    "role": {"receive", "work", "deliver", "clock", "web"},
    "span": {"day", "week"},
    "state": {state.lower() for state in vars(DeliveryState).values() if isinstance(state, str)} | {"waiting"},
}
"""What stands in a label, where a rule or a panel asks for one."""


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield each expression with the name of its rule or panel."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.fixture
def told(watched_url: str) -> dict[str, set[str]]:
    """Return the names of a real scrape, with those of a histogram's parts, and the labels of each."""
    text = httpx.get(f"{watched_url}/metrics", timeout=60, trust_env=False).raise_for_status().text
    labels = {name: set(given) for name, _, given, _ in rows()}
    names = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        names[name] = labels.get(name, set())
        if family.type == "histogram":
            names |= {f"{name}{part}": labels[name] | {"le"} for part in ("_bucket", "_sum", "_count")}
    return names


def test_each_metric_and_label_that_is_asked_for_is_told(told: dict[str, set[str]]) -> None:
    asked = 0
    for where, expression in expressions():
        of_expression: set[str] = set()
        for name, matchers in METRIC.findall(expression):
            asked += 1
            assert name in told, where
            of_expression |= told[name]
            for label, value in MATCHER.findall(matchers):
                assert label in told[name], (where, label)
                assert set(value.split("|")) <= VALUES[label], (where, value)
        for group in GROUPED.findall(expression):
            assert {label.strip() for label in group.split(",")} <= of_expression, where
    assert asked > 50


@pytest.mark.tools
def test_prometheus_finds_nothing_wrong_with_a_scrape(watched_url: str) -> None:
    text = httpx.get(f"{watched_url}/metrics", timeout=60, trust_env=False).raise_for_status().text
    command = ["promtool", "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_most_of_what_is_told_is_seen_on_the_dashboard_or_wakes_somebody() -> None:
    asked = {name for _, expression in expressions() for name, _ in METRIC.findall(expression)}
    seen = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    of_one_service = {"tibabu_hl7_messages_total", "tibabu_dicomweb_requests_total", "tibabu_instances_forwarded_total"}
    unseen = {name for name, *_ in rows()} - seen - of_one_service
    assert unseen == {"tibabu_received_bytes_total", "tibabu_studies_open"}


def test_each_alarm_says_how_urgent_it_is_and_what_to_do_is_written() -> None:
    table = (
        (REPOSITORY / "docs" / "metrics.md")
        .read_text(encoding="utf-8")
        .partition("| alarm | |")[2]
        .partition("\n\n")[0]
    )
    written = {
        name: row.split("|")[2].strip()
        for row in table.splitlines()
        if row.count("|") == 4
        for name in re.findall(r"`(Tibabu\w+)`", row.split("|")[1])
    }
    assert written == {rule["alert"]: rule["labels"]["severity"] for rule in rules()}
    assert {rule["labels"]["severity"] for rule in rules()} == {"page", "ticket"}
    for rule in rules():
        used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        kept = {label.strip() for group in GROUPED.findall(rule["expr"]) for label in group.split(",")}
        if used - kept:  # then nothing is taken together
            assert "by (" not in rule["expr"]
            assert not re.search(r"\b(sum|max)\(", rule["expr"])
