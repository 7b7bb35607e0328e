"""Studies come in and are read, at a rate, by the functions of `db` that the five lines and readers use.

A process of its own: `python arrivals.py URL RATE SECONDS`. Each line that it prints is what it has just committed and
when. An urgent study arrives, has its result a second later, and is read when it has been on the list for eight.
"""

import json
import sys
import time
from collections import deque
from datetime import timedelta
from itertools import count

from db.analysis import ImageResult, record_image_result, score_task
from db.attributes import InstanceAttributes
from db.audit import Who
from db.closing import Timing
from db.completion import close_due
from db.conclusion import Conclusion, record_conclusion, study_to_conclude
from db.database import Database, open_database
from db.incoming import IncomingInstance
from db.intake import Recorded, record_instance
from db.outcome import Outcome, study_outcome
from db.priority import Allowances, Priority
from db.queue import Queue, open_queue, utc_now
from db.reading_acts import Acting
from db.reading_marks import mark_read
from db.reading_record import reading_record

RESULT_AFTER, READ_AFTER = 1.0, 8.0
FLAGGED_EVERY = 4
ROOT = "1.2.826.0.1.3680043.10.9.7"
MODEL = {"model_name": "efficientnet_lite0", "model_version": "1.0.0", "model_sha256": "ab" * 32}
READER = Who("reader", "reader", "127.0.0.1")


def main(url: str, rate: float, seconds: float) -> None:
    """Let them come, and say what was committed when."""
    database = open_database(url)
    queue = open_queue(database)
    begun = time.monotonic()
    told: deque[tuple[float, int, Recorded]] = deque()
    shown: deque[tuple[float, int]] = deque()
    for number in count():
        if (wait := begun + number / rate - time.monotonic()) > 0:
            time.sleep(wait)
        now = time.monotonic()
        if now - begun > seconds:
            break
        told.append((now, number, arrive(database, queue, number)))
        say("arrived", number)
        while told and now - told[0][0] > RESULT_AFTER:
            at, which, recorded = told.popleft()
            conclude(database, queue, recorded, flagged=which % FLAGGED_EVERY == 0)
            say("concluded", which)
            shown.append((at, which))
        while shown and now - shown[0][0] > READ_AFTER:
            read(database, queue, shown.popleft()[1])
    database.dispose()


def say(what: str, number: int) -> None:
    """Tell the parent."""
    print(json.dumps({"what": what, "study": f"{ROOT}.{number}", "at": time.time()}), flush=True)  # noqa: T201


def arrive(database: Database, queue: Queue, number: int) -> Recorded:
    """Record a study of one image, as the receiver does."""
    incoming = IncomingInstance(
        study_instance_uid=f"{ROOT}.{number}",
        series_instance_uid=f"{ROOT}.{number}.1",
        sop_instance_uid=f"{ROOT}.{number}.1.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sha256=f"{time.time_ns():064x}",
        path=f"ab/{number:064x}.dcm",
        size=1_400_000,
        candidate=True,
        is_image=True,
        device_uids=(),
        order_priority=Priority.HIGH,
        calling_ae_title="CR-ROOM-1",
        received_at=utc_now(),
        patient_id=f"P{number}",
        issuer_of_patient_id="",
        patient_name=f"Bench^Number {number}",
        patient_birth_date="20220101",
        patient_sex="F",
        patient_age="004Y",
        accession_number=f"A{number}",
        study_date="20260301",
        study_time="",
        study_description="Chest AP",
        attributes=InstanceAttributes(modality="CR"),
    )
    timing = Timing(quiet=timedelta(milliseconds=100))
    return record_instance(database, queue, incoming, timing=timing, allowances=Allowances())


def conclude(database: Database, queue: Queue, recorded: Recorded, *, flagged: bool) -> None:
    """Record the image's score and the study's result, as the workers do."""
    task = score_task(database, recorded.instance_id)
    outcome, now = Outcome.FLAGGED if flagged else Outcome.NOT_FLAGGED, utc_now()
    if task is not None:
        scored = ImageResult(outcome=outcome, probability=0.9, started_at=now, finished_at=now, **MODEL)
        record_image_result(database, queue, task, scored, allowances=Allowances())
    close_due(database, queue, now=now)
    study = study_to_conclude(database, recorded.study_id)
    if study is None:
        message = "expected a study to conclude. Received: none"
        raise RuntimeError(message)
    conclusion = Conclusion(
        study_id=recorded.study_id,
        revision=study.revision,
        outcome=study_outcome(study.images, conflict=study.conflict),
        operating_point="high sensitivity",
        threshold=0.42,
        device_uid="2.25.99",
        analysed_at=now,
        concluded_at=utc_now(),
        reports=(),
        **MODEL,
    )
    record_conclusion(database, queue, conclusion)


def read(database: Database, queue: Queue, number: int) -> None:
    """Take a study off the list, as a reader does."""
    record = reading_record(database, f"{ROOT}.{number}")
    if record is not None:
        mark_read(database, queue, record.seen, Acting(READER, utc_now()))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
