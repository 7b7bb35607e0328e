"""TensorFlow's start-up chatter is left out; what anybody else writes meanwhile is not."""

import os

import pytest

from model.runtime import _quiet

_CHATTER = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795425899.279285    7472 cudart_stub.cc:31] Could not find cuda drivers on your machine.\n"
)


def test_native_log_lines_are_left_out_and_others_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with _quiet():
        os.write(2, b"a line of ours\n" + _CHATTER + b"another\n")
    assert capfd.readouterr().err == "a line of ours\nanother\n"


def test_nothing_is_left_out_when_the_import_fails(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with _quiet():
            os.write(2, _CHATTER)
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err == _CHATTER.decode()


def test_standard_error_works_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with _quiet():
        pass
    os.write(2, b"I0000 after\n")
    assert capfd.readouterr().err == "I0000 after\n"
