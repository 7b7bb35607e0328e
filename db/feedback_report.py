"""A reader who disagrees may let the reports say so: they are made anew, with the AI's result as it was.

Never by itself. To withdraw the result instead is `db.result_withdrawal`.
"""

from typing import Any, Final

from sqlalchemy import Row, select, update

from db.amendment import request_amendment
from db.database import Database
from db.errors import RefusedError
from db.queue import Queue
from db.reading_acts import Acting, Kind, Opened, Seen, open_for_act, write
from db.schema.reading import feedback

_WHY: Final = "a reader disagrees"
_NOT_ANY_MORE: Final = "a reader took back that they disagree"


def report_opinion(database: Database, queue: Queue, seen: Seen, acting: Acting) -> int:
    """Let the reports of the study say that a reader disagrees with its current result; return the act's id.

    RefusedError where the last word on it is not that, or where they say so already.
    """
    with database.begin() as connection:
        opened = open_for_act(connection, seen, acting)
        last = _last(opened)
        if last is None or last.agrees or last.is_reported:
            message = "No reader disagrees with the result that the study has now, or its reports say so already."
            raise RefusedError(message)
        connection.execute(update(feedback).where(feedback.c.id == last.id).values(is_reported=True))
        request_amendment(connection, queue, opened.row.id, reason=_WHY, at=acting.at)
        said = {"finding": last.finding}
        return write(opened, Kind.REPORTED, before={}, after=said, detail=f"{_WHY}: {last.finding}")


def take_back(opened: Opened, queue: Queue, act_id: int) -> None:
    """Let an opinion count no more; reports that told of it are made anew without it."""
    which = (feedback.c.act_id == act_id, feedback.c.undone_at.is_(None))
    taken = update(feedback).where(*which).values(undone_at=opened.acting.at).returning(feedback.c.is_reported)
    if opened.connection.execute(taken).scalar_one_or_none():
        request_amendment(opened.connection, queue, opened.row.id, reason=_NOT_ANY_MORE, at=opened.acting.at)


def _last(opened: Opened) -> Row[Any] | None:
    of_result = (feedback.c.study_id == opened.row.id, feedback.c.revision == opened.position.revision)
    query = select(feedback).where(*of_result, feedback.c.undone_at.is_(None)).order_by(feedback.c.id.desc()).limit(1)
    return opened.connection.execute(query).one_or_none()
