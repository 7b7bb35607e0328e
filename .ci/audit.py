"""Ask the Python Packaging Advisory Database about every pinned dependency.

A known vulnerability fails. An advisory service that cannot be asked is said aloud, and never taken for a clean result.
"""

import json
import subprocess
import sys
from typing import Any

COMMAND = ("pip-audit", "--requirement", "constraints.txt", "--no-deps", "--disable-pip", "--format", "json")
PATIENCE = 180  # seconds


def judged(found: dict[str, Any]) -> tuple[int, list[str]]:
    """Return the exit status for what pip-audit found, and what to say of it."""
    packages = found["dependencies"]
    wrong = [one for one in packages if one.get("vulns")]
    unasked = [one for one in packages if "skip_reason" in one]
    said = [f"VULNERABLE: {one['name']} {one['version']}: {_ids(one)}" for one in wrong]
    if unasked or not packages:
        said.append(f"NOT AUDITED: {len(unasked)} of {len(packages)} dependencies: the advisory service said nothing")
    else:
        said.append(f"audited: {len(packages)} dependencies")
    return (1 if wrong else 0), said


def _ids(package: dict[str, Any]) -> str:
    return ", ".join(one["id"] for one in package["vulns"])


def main() -> int:
    """Run pip-audit and judge what it says."""
    try:
        ran = subprocess.run(COMMAND, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603 - a fixed command
        status, said = judged(json.loads(ran.stdout))
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        status, said = 0, [f"NOT AUDITED: no dependency: the advisory service cannot be asked ({type(error).__name__})"]
    sys.stdout.write("\n".join(said) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
