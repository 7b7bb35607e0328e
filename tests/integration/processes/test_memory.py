"""What a worker does with the memory that it frees."""

import subprocess
import sys

_PROGRAM = """
import resource
from agent.process.memory import keep_freed

def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    [b"x" * (1 << 20) for _ in range(24)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = [page_faults() for _ in range(4)][-1]
keep_freed()
print(given_back, [page_faults() for _ in range(4)][-1])
"""


def test_memory_that_is_needed_again_and_again_is_not_given_back_each_time() -> None:
    """24 MB are 6144 pages of 4 KB, each of which the system makes zero and maps anew."""
    command = [sys.executable, "-P", "-c", _PROGRAM]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
    given_back, kept = map(int, said.split())
    assert kept < 64 < given_back
