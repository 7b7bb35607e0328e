"""TensorFlow's start-up chatter is left out; what anybody else writes meanwhile is not."""

import os

import pytest

from model import runtime
from model.errors import RuntimeUnavailableError
from model.runtime import _quiet, chosen, cores

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


def test_the_fast_runtime_is_chosen_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "find_spec", lambda _: object())
    assert [chosen(wish) for wish in ("auto", "tensorflow", "openvino")] == ["openvino", "tensorflow", "openvino"]


def test_without_the_fast_runtime_only_who_insists_on_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "find_spec", lambda _: None)
    assert [chosen(wish) for wish in ("auto", "tensorflow")] == ["tensorflow", "tensorflow"]
    with pytest.raises(RuntimeUnavailableError, match=r"pip install tibabu\[openvino\]"):
        chosen("openvino")


def test_the_network_gets_the_processors_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert cores() == len(allowed)
