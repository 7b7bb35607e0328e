"""The same figures in parts of the images: by age, sex, view, manufacturer, pathogen and the table's columns."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from agent.evaluation.scoring import ScoredImage
from agent.evaluation.traits import AGE, MANUFACTURER, PATHOGEN, SEX, VIEW
from agent.watch.traits import UNKNOWN
from model.evaluation import measure

_ORDER: Final = (AGE, SEX, VIEW, MANUFACTURER, PATHOGEN)
_MOST_GROUPS: Final = 20
_REPLICATES: Final = 500
OTHERS: Final = "others"


def subgroups(scored: Sequence[ScoredImage], threshold: float) -> list[dict[str, Any]]:
    """Return a row of figures for each group of each division; a division that nobody knows anything of has none.

    A pathogen is known of images with pneumonia only: each is set against all normal images. Of many groups the
    smallest become one, "others".
    """
    divisions: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for index, one in enumerate(scored):
        for by, group in one.image.traits.items():
            divisions[by][index] = group
    rows = []
    for by in sorted(divisions, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)):
        groups = divisions[by]
        if by == PATHOGEN:
            groups |= {i: UNKNOWN for i, one in enumerate(scored) if one.image.entry.label == 1 and i not in groups}
        if set(groups.values()) == {UNKNOWN}:
            continue
        members: defaultdict[str, list[int]] = defaultdict(list)
        for index, group in groups.items():
            members[group].append(index)
        rows += [_row(scored, by, group, here, threshold) for group, here in _largest(members)]
    return rows


def _largest(members: dict[str, list[int]]) -> list[tuple[str, list[int]]]:
    """Return the groups by size, the greatest first, at most _MOST_GROUPS of them and the others as one."""
    ordered = sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))
    if len(ordered) <= _MOST_GROUPS:
        return ordered
    rest = sorted(index for _, here in ordered[_MOST_GROUPS:] for index in here)
    return [*ordered[:_MOST_GROUPS], (OTHERS, rest)]


def _row(scored: Sequence[ScoredImage], by: str, group: str, here: list[int], threshold: float) -> dict[str, Any]:
    if by == PATHOGEN:
        here = here + [index for index, one in enumerate(scored) if one.image.entry.label == 0]
    chosen = [scored[index] for index in sorted(here)]
    metrics = measure(
        np.array([one.image.entry.label for one in chosen], np.int64),
        np.array([one.probability for one in chosen], np.float64),
        [one.image.patient for one in chosen],
        threshold,
        replicates=_REPLICATES,
    )
    return {"by": by, "group": group, **metrics.as_json()}
