"""The agent's named edge: what nobody foresaw goes no further, and is told; what the caller knows goes on to it."""

import pytest
import structlog
from structlog.testing import capture_logs

from agent.unforeseen import unforeseen

log = structlog.get_logger()


def test_what_nobody_foresaw_ends_here_in_the_log_and_is_told() -> None:
    with capture_logs() as lines, unforeseen(log, "work_broke", tick="reap") as ended:
        raise ZeroDivisionError
    assert isinstance(ended.by, ZeroDivisionError)
    assert lines == [{"event": "work_broke", "log_level": "error", "exc_info": True, "tick": "reap"}]


def test_what_goes_well_is_told_as_well() -> None:
    with capture_logs() as lines, unforeseen(log, "work_broke") as ended:
        pass
    assert (ended.by, lines) == (None, [])


@pytest.mark.parametrize("raised", [KeyError, SystemExit, KeyboardInterrupt])
def test_what_the_caller_knows_and_what_ends_the_process_go_on(raised: type[BaseException]) -> None:
    with capture_logs() as lines, pytest.raises(raised), unforeseen(log, "work_broke", but=(LookupError,)):
        raise raised
    assert lines == []
