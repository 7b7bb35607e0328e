"""What images look like and what came of them, for the watch on drift: of no image, study or patient in particular."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from db.database import Database
from db.outcome import Outcome
from db.prepared import Prepared
from db.schema.drift import drift_sample


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTraits:
    """To which groups an image belongs, and three numbers of what the network saw, None if it saw nothing."""

    view: str = ""
    manufacturer: str = ""
    age_band: str = ""
    sex: str = ""
    mean_gray: float | None = None
    contrast: float | None = None
    sharpness: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSample:
    """One image as the watch on drift sees it."""

    at: datetime
    model_sha256: str
    outcome: Outcome
    decline_group: str
    score: float | None
    traits: ImageTraits


_ADD: Final = Prepared(insert(drift_sample))
_AT_ONCE: Final = 5_000


def add_sample(connection: Connection, sample: DriftSample) -> None:
    """Write one, with the image's result."""
    values = {
        "at": sample.at,
        "model_sha256": sample.model_sha256,
        "outcome": sample.outcome,
        "decline_group": sample.decline_group,
        "score": sample.score,
    }
    _ADD.run(connection, values | asdict(sample.traits))


def samples(database: Database, *, since: datetime, until: datetime) -> Iterator[DriftSample]:
    """Yield those of a span of time, the oldest first, from one moment; `until` is not within it."""
    table = drift_sample.c
    query = select(drift_sample).where(table.at >= since, table.at < until).order_by(table.at)
    with database.read() as connection:
        for row in connection.execute(query, execution_options={"yield_per": _AT_ONCE}):
            yield DriftSample(
                at=row.at,
                model_sha256=row.model_sha256,
                outcome=Outcome(row.outcome),
                decline_group=row.decline_group,
                score=row.score,
                traits=ImageTraits(
                    view=row.view,
                    manufacturer=row.manufacturer,
                    age_band=row.age_band,
                    sex=row.sex,
                    mean_gray=row.mean_gray,
                    contrast=row.contrast,
                    sharpness=row.sharpness,
                ),
            )


def forget_samples(database: Database, *, before: datetime) -> int:
    """Remove what is older; return how many."""
    with database.begin() as connection:
        return connection.execute(delete(drift_sample).where(drift_sample.c.at < before)).rowcount
