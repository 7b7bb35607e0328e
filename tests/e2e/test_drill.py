"""The downtime drill as an IT department runs it: the network is cut while scanners send, and nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path


def test_a_network_that_is_cut_loses_nothing_and_the_drill_says_so(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-P",
        "-m",
        "agent",
        "drill",
        "--only",
        "network-cut",
        "--studies",
        "2",
        "--seconds",
        "1",
    ]
    done = subprocess.run(  # noqa: S603 - our own command line
        [*command, "--dir", tmp_path / "drill", "--json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    (seen,) = json.loads(done.stdout)["exercises"]
    assert (seen["lost"], seen["surprises"]) == (0, [])
    assert seen["accepted"] == seen["delivered"] == seen["objects"] >= 2
    assert seen["answers"].keys() & {"AssociationAbortedError", "PeerUnreachableError"}
    assert not (tmp_path / "var").exists()
