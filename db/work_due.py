"""When the agent's own work on a study is due, which is the order of all its jobs: see `db.priority`."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func

from db.schema.domain import study

WORK_DUE: ColumnElement[datetime] = func.coalesce(study.c.work_due_at, study.c.due_at, type_=study.c.due_at.type)


def work_due(row: Row[Any]) -> datetime:
    """Return the same of a study's whole row."""
    due: datetime = row.work_due_at or row.due_at
    return due
