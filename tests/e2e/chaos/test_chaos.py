"""The short form of benchmarks/chaos: nothing answered 0000H is lost or doubled, whatever befalls the product."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHAOS = Path(__file__).parents[3] / "benchmarks" / "chaos"
PLAN = {"--instances": "40", "--seed": "20261123", "--kills": "5", "--longest": "0.6", "--jump": "5"}
SHORT = [word for option in (PLAN | {"--receivers": "1", "--model": "small_cnn"}).items() for word in option]
OF_BOTH = {
    *("receive", "work", "deliver", "clock", "supervisor of back"),
    *("store disk full", "database disk full", "PACS down", "PACS refuses (A700)", "PACS rejects associations"),
    *("scanners' cable reset", "scanners' cable deaf", "PACS's cable reset", "PACS's cable deaf"),
    *("front's clock ahead", "front's clock behind", "back's clock ahead", "back's clock behind"),
}
CUTS = {"sqlite": {"database locked"}, "postgresql": {"database killed", "database stopped", "database cable cut"}}


def ran(engine: str) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, CHAOS, "--database", engine, *SHORT],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.chaos
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_accepted_is_delivered_or_accounted_for_whatever_befalls(engine: str) -> None:
    found = ran(engine)
    assert found["holds"], found
    assert found["accepted"] == found["delivered"] + sum(found["accounted for"].values()) > 0
    assert (found["lost"], sum(found["doubled"].values()), found["never accepted"]) == (0, 0, 0)
    assert (found["jobs given up"], found["settled"], found["drained"]) == ([], True, [0, 0]), found
    assert found["befell"].keys() >= OF_BOTH | CUTS[engine]  # that it survived, and was not spared
