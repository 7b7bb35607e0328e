"""Several receiving processes share one port; one that is killed takes only its own associations with it."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

from dicom_io.errors import NetworkError


def _is_stored(agent: Any, study: list[Any]) -> bool:
    try:
        return all(one.stored for one in agent.send(*study))
    except NetworkError:  # it was on its way to the process that was killed
        return False


def test_what_several_processes_said_yes_to_is_kept_when_one_of_them_is_killed(
    configure: Any, running: Any, radiograph: Any, free_port: Any, eventually: Any, tmp_path: Path
) -> None:
    agent = configure(tmp_path, receive={"host": "127.0.0.1", "port": free_port(), "processes": 2})
    with running(agent, ["receive"]):
        eventually(lambda: len(agent.pids("receive")) == 2)
        sent = [[radiograph(number) for number in range(start, start + 5)] for start in range(0, 40, 5)]
        scanners = [threading.Thread(target=agent.send, args=study) for study in sent[:6]]
        for scanner in scanners:
            scanner.start()
        for scanner in scanners:
            scanner.join()
        os.kill(agent.pids("receive")[0], signal.SIGKILL)
        for study in sent[6:]:
            eventually(lambda study=study: _is_stored(agent, study))
        eventually(lambda: len(agent.pids("receive")) == 2)
    stored = {path.stem for path in (tmp_path / "var" / "store").rglob("*.dcm")}
    assert len(stored) == 40
