"""What a sender's studies stand for in the agent's own work, from config.toml over a real association to the row."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydicom import Dataset
from sqlalchemy import select

from db.schema.domain import study
from db.work_due import WORK_DUE

Make = Callable[..., Dataset]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_table_of_a_peer_says_how_soon_and_how_many_of_its_studies_are_worked_on(
    start: Callable[..., Any], radiograph: Make
) -> None:
    tables = [{"ae_title": "EMERGENCY", "analysis": "high"}, {"ae_title": "ARCHIVE", "studies_per_hour": 2}]
    agent = start(peers=tables, priority={"studies_per_hour": 1})
    for title, number in (("EMERGENCY", 1), ("ARCHIVE", 4), ("STRANGER", 3)):
        agent.send(*(radiograph() for _ in range(number)), calling_ae_title=title)
    query = select(study.c.calling_ae_title, study.c.received_at, study.c.due_at, WORK_DUE.label("work_due_at"))
    with agent.database.read() as connection:
        rows = connection.execute(query.order_by(study.c.id)).all()
    assert {row.due_at - row.received_at for row in rows} == {timedelta(hours=8)}  # the worklist knows no senders
    hours = [(row.calling_ae_title, (row.work_due_at - row.received_at) / timedelta(hours=1)) for row in rows]
    waits = [(title, round(one, 1)) for title, one in hours]
    at_its_pace = [("ARCHIVE", 8), ("ARCHIVE", 8), ("ARCHIVE", 8), ("ARCHIVE", 8.5)]
    assert waits == [("EMERGENCY", 0), *at_its_pace, ("STRANGER", 8), ("STRANGER", 8), ("STRANGER", 9)]
