"""The second model's process killed with -9 in the middle of its work: it comes back, and nobody else has noticed."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from db.queue import open_queue, utc_now
from db.schema.model import shadow_score


def numbers_of(pid: int) -> tuple[int, int]:
    """Return a process's niceness and how eagerly it is ended for want of memory (proc(5))."""
    proc = Path(f"/proc/{pid}")
    nice = int((proc / "stat").read_text().rpartition(")")[2].split()[16])
    return nice, int((proc / "oom_score_adj").read_text())


@pytest.mark.shared
def test_a_second_model_killed_in_the_middle_of_its_work_scores_after_all_and_nobody_else_notices(
    configure: Any,
    running: Any,
    radiograph: Any,
    recording_pacs: Any,
    eventually: Callable[..., None],
    shared: Path,
    tmp_path: Path,
) -> None:
    files = sorted((shared / "data/cxr-train/PNEUMONIA").glob("*.jpeg"))[:2]
    with recording_pacs() as pacs:
        agent = configure(tmp_path, {"pacs": pacs.peer}, model={"name": "efficientnet_lite0", "shadow": "small_cnn"})
        with running(agent):
            agent.ready("shadow")
            queue = open_queue(agent.database)

            def is_under_way() -> bool:
                return any(depth.kind == "shadow" and depth.running for depth in queue.depth(utc_now()))

            def rows() -> list[Any]:
                with agent.database.read() as connection:
                    return list(connection.execute(select(shadow_score)))

            victim = agent.pid("shadow")
            assert numbers_of(victim) == (19, 1000)
            agent.send(*(radiograph(picture=np.asarray(Image.open(file).convert("L"))) for file in files))
            eventually(is_under_way)
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            eventually(lambda: agent.has_delivered(2))
            agent.ready("shadow", times=2)
            eventually(lambda: len(rows()) == 2)
            assert {row.model_name for row in rows()} == {"small_cnn"}
            assert all(row.reason == "" for row in rows())
            assert {event["role"] for event in agent.events("process_died")} == {"shadow"}
            assert len(agent.events("image_scored")) == 2
            assert queue.parked() == ()
            assert not any(b"small_cnn" in one.data for one in pacs.instances)
            compared = agent.document("compare")
            assert compared["comparison"]["images"] == 2
            assert (compared["a"]["name"], compared["b"]["name"]) == ("efficientnet_lite0", "small_cnn")
