"""The role of everything periodic is a small process."""

import subprocess
import sys


def test_the_role_of_everything_periodic_loads_no_network_and_no_report() -> None:
    script = (
        "import sys\nimport agent.app, agent.clock, agent.clockwork\n"
        "found = {'tensorflow', 'keras', 'openvino', 'highdicom', 'reportlab', 'starlette'} & sys.modules.keys()\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603 - this very Python
