"""kill -9 between receiving and forwarding, and in the middle of it: nothing answered 0000H is lost or changed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from db.worklist import study_record
from dicom_io.file_meta import read_file_meta
from dicom_io.scu import send

ROLES = ("receive", "deliver", "clock")  # nothing here needs the network
RULE = '[[forward]]\nname = "all"\nto = ["pacs"]\n'


def dataset_of(data: bytes) -> bytes:
    return data[read_file_meta(data).dataset_offset :]


def test_what_was_taken_arrives_although_every_process_is_killed_on_the_way(
    configure: Any, running: Any, radiograph: Any, recording_pacs: Any, eventually: Callable[..., None], tmp_path: Path
) -> None:
    first = radiograph(0)
    study = [first, *(radiograph(number, StudyInstanceUID=first.StudyInstanceUID) for number in range(1, 40))]
    with recording_pacs() as pacs:
        agent = configure(tmp_path, {"pacs": pacs.peer})
        agent.config.write_text(agent.config.read_text(encoding="utf-8") + RULE, encoding="utf-8")
        with running(agent, ROLES):
            sent = {str(one.SOPInstanceUID): agent.encode(one) for one in study}
            statuses = send(agent.peer, list(sent.values()))
            assert {status.status for status in statuses} == {0}
            agent.process.kill()  # between receiving and forwarding: the first is forwarded half a second after it came
            agent.process.wait()
            agent.start(ROLES)
            killed: set[int | None] = {None}  # a killed process is still listed for a moment
            for arrived in (5, 20):
                eventually(
                    lambda arrived=arrived: len(pacs.digests()) >= arrived and agent.pid("deliver") not in killed, 120
                )
                victim = agent.pid("deliver")
                assert victim is not None
                os.kill(victim, signal.SIGKILL)
                killed.add(victim)

            def acknowledged() -> bool:
                record = study_record(agent.database, str(first.StudyInstanceUID))
                return record is not None and [row["state"] for row in record.forwards] == ["ACKNOWLEDGED"] * 40

            eventually(acknowledged, 120)
        digests = pacs.digests()
        assert digests.keys() == sent.keys()
        for received in pacs.instances:
            assert dataset_of(received.data) == dataset_of(sent[received.affected_sop_instance_uid])
