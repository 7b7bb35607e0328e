"""Two models on the images on record: for `tibabu compare` and the page of the models."""

from datetime import datetime

import numpy as np

from agent.errors import AgentError
from agent.watch.comparison_text import Found, Named
from db import kinds
from db.database import Database
from db.queue import open_queue
from db.stored_scores import StoredScores, stored_scores
from model.comparison import Pairs
from model.comparison import compare as compared


def on_record(database: Database, first: str, second: str, *, now: datetime, since: datetime | None = None) -> Found:
    """Compare what two models said of the same images on record.

    Raises AgentError where one of them said nothing, or never both of one image.
    """
    a, b = _stored(database, first, since), _stored(database, second, since)
    common = sorted(a.scores.keys() & b.scores.keys())
    if not common:
        message = (
            "expected images that both models scored. Received: none; "
            f"{len(a.scores)} scores of {first}, {len(b.scores)} of {second}"
        )
        raise AgentError(message)
    ours, theirs = [a.scores[key] for key in common], [b.scores[key] for key in common]
    pairs = Pairs(
        a=np.array([score.probability for score in ours]),
        b=np.array([score.probability for score in theirs]),
        flagged_a=np.array([score.flagged for score in ours]),
        flagged_b=np.array([score.flagged for score in theirs]),
        patients=[score.patient for score in ours],
    )
    depth = [one for one in open_queue(database).depth(now) if one.kind == kinds.SHADOW]
    return Found(
        source="on record",
        a=_named(a, lacking=len(b.scores.keys() - a.scores.keys())),
        b=_named(b, lacking=len(a.scores.keys() - b.scores.keys())),
        waiting=sum(one.waiting + one.later + one.running for one in depth),
        parked=sum(one.parked for one in depth),
        comparison=compared(pairs),
    )


def _stored(database: Database, name: str, since: datetime | None) -> StoredScores:
    found = stored_scores(database, name, since=since)
    if found is None:
        message = f"expected a model with scores on record. Received: {name}; see `tibabu models` and model.shadow"
        raise AgentError(message)
    return found


def _named(stored: StoredScores, *, lacking: int) -> Named:
    return Named(name=stored.name, version=stored.version, sha256=stored.sha256, lacking=lacking, failed=stored.failed)
