"""The images of a study as its viewer lists them, in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from agent.web import people, words
from agent.web.study import HANDED_OUT, Row, image_outcome, latest_results
from db.outcome import Outcome
from db.roles import Role

MOST: Final = 500
"""Images of a study that its viewer offers; all are listed among the received objects."""

REMOVED: Final = "This image was removed here by retention. The archive may still have it."
HEAT_CAVEAT: Final = (
    "Heat map: where the network's attention lay, not where disease is. It is coarse, and may miss or mislead."
)
NO_HEAT: Final = {
    Outcome.FLAGGED: "There is no heat map on record of this image.",
    Outcome.NOT_FLAGGED: "This image was not flagged: there is no heat map of it.",
    Outcome.NOT_ANALYSED: "This image was not analysed: there is no heat map of it.",
    Outcome.FAILED: "The analysis of this image failed: there is no heat map of it.",
}
NOT_ANALYSED: Final = "This image was not analysed: there is no heat map of it."
OF_A_FRAME: Final = "The heat map is of one of its frames, and which is not on record: it is not laid over them."


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewedImage:
    """An image to choose: what it is called, where its frames are, and whether there is a heat map of it.

    `gone` and `no_heat` say why its frames or its heat map are not there; "" where they are.
    """

    id: str
    path: str
    label: str
    series: str
    frames: int
    outcome: words.OutcomeWords | None
    heat: bool
    no_heat: str
    gone: str
    prior: bool = False
    first: bool = False

    def for_script(self) -> dict[str, Any]:
        """Return it as the viewer's script takes it."""
        names = ("id", "path", "label", "frames", "heat", "no_heat", "gone", "prior", "first")
        return {name: getattr(self, name) for name in names}


def viewed_images(
    study_instance_uid: str, instances: Sequence[Row], image_results: Sequence[Row], *, prior: str = ""
) -> tuple[ViewedImage, ...]:
    """Return the images in the order of Series and Instance Number; of a prior study `prior` says which it is.

    The first to be looked at is the most suspicious one that was flagged, else the first for analysis; it is always
    among them.
    """
    rows = sorted(_images(instances), key=lambda row: (row["role"] == Role.OWN, *_numbers(row), row["id"]))
    latest = latest_results(image_results)
    first = _first(rows, latest)
    numbered = list(enumerate(rows, 1))
    offered = numbered[:MOST] + [one for one in numbered[MOST:] if one[1]["id"] == first]
    return tuple(
        _viewed(
            study_instance_uid, row, latest.get(row["id"]), number, prior=prior, first=row["id"] == first and not prior
        )
        for number, row in offered
    )


def left_out(instances: Sequence[Row], offered: Sequence[ViewedImage]) -> int:
    """Return how many images of a study are not among those that its viewer offers."""
    return len(_images(instances)) - len(offered)


def mark_of(images: Sequence[ViewedImage]) -> str:
    """Return what is another one when a viewer that is open would have to list other images than it does."""
    said = [(image.id, image.heat, image.gone, image.outcome) for image in images]
    return sha256(repr(said).encode()).hexdigest()[:16]


def _images(instances: Sequence[Row]) -> list[Row]:
    return [row for row in instances if row["is_image"] and Role(row["role"]) in HANDED_OUT]


def _first(rows: Sequence[Row], latest: dict[int, Row]) -> int | None:
    here = [row for row in rows if row["removed_at"] is None]
    flagged = [row for row in here if row["withdrawn"] is None and _outcome(latest.get(row["id"])) is Outcome.FLAGGED]
    if flagged:
        return int(max(flagged, key=lambda row: latest[row["id"]]["probability"] or 0)["id"])
    candidates = [row for row in here if row["role"] == Role.CANDIDATE]
    return next((int(row["id"]) for row in (*candidates, *here)), None)


def _outcome(found: Row | None) -> Outcome | None:
    return None if found is None else Outcome(found["outcome"])


def _numbers(row: Row) -> tuple[int, int]:
    return _number(row["series_number"]), _number(row["instance_number"])


def _number(text: str) -> int:
    return int(text) if text.strip().isascii() and text.strip().isdigit() and len(text) < 10 else 1 << 31  # noqa: PLR2004


def _viewed(study: str, row: Row, found: Row | None, number: int, *, prior: str, first: bool) -> ViewedImage:
    uid = row["sop_instance_uid"]
    frames = max(row["number_of_frames"], 1)
    heat = frames == 1 and row["withdrawn"] is None and found is not None and bool(found["has_heat_map"])
    label = f"{prior}, image {number}" if prior else f"Image {number}"
    return ViewedImage(
        id=uid,
        path=f"/studies/{study}/instances/{uid}",
        label=label,
        series=_series(row),
        frames=frames,
        outcome=image_outcome(row, found),
        heat=heat,
        no_heat="" if heat else _no_heat(row, found, frames),
        gone="" if row["removed_at"] is None else REMOVED,
        prior=bool(prior),
        first=first,
    )


def _no_heat(row: Row, found: Row | None, frames: int) -> str:
    if found is None or row["withdrawn"] is not None:
        return NOT_ANALYSED
    return OF_A_FRAME if frames > 1 and found["has_heat_map"] else NO_HEAT[Outcome(found["outcome"])]


def _series(row: Row) -> str:
    if row["role"] == Role.OWN:
        return words.role(row["role"])
    texts = (row["modality"], row["series_description"], row["body_part_examined"], row["laterality"])
    return ", ".join(part for part in map(people.readable, texts) if part)
