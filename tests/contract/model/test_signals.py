"""A process that has let networks go takes a signal as any other does."""

import subprocess
import sys

PROGRAM = """
import gc, os, signal
from model.classifier import load
first, second = (load("small_cnn", batches=(1,), runtime="openvino") for _ in range(2))
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGUSR1, lambda number, _frame: print(signal.Signals(number).name))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_comes_after_networks_were_let_go_in_another_order_than_they_were_loaded() -> None:
    """OpenVINO gives threads a stack for signals' handlers; one that it had taken away ended the process (SIGSEGV)."""
    ended = subprocess.run([sys.executable, "-P", "-c", PROGRAM], text=True, capture_output=True, check=False)  # noqa: S603
    assert (ended.returncode, ended.stdout) == (0, "SIGUSR1\n")
