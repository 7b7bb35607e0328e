"""A short, always equal run of the fuzzer of the upper layer; `benchmarks/README.md` says how to run it for long."""

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_the_scp_survives_120_rude_conversations() -> None:
    program = [sys.executable, "benchmarks/fuzz_network.py", "--seed", "1", "--sessions", "120"]
    done = subprocess.run(  # noqa: S603 - our own program
        program, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert (seen["sessions"], seen["findings"]) == (120, {})
    assert seen["instances"] > 20
