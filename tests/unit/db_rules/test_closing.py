"""When a study closes: the rule, line by line, and its bound on revisions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.closing import Steps, Timing, close_time

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMING = Timing()


def seconds(last: float = 10, **given: object) -> float:
    """Return the planned close in seconds after the revision began; the last Instance came `last` seconds after it."""
    facts: dict[str, object] = {"revision": 1, "started_at": NOON, "last_at": NOON + timedelta(seconds=last)}
    found = close_time(TIMING, **(facts | given))  # type: ignore[arg-type]
    return (found - NOON).total_seconds()


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, 40),  # quiet: 30 s after the last Instance
        ({"released_at": at(11)}, 13),  # 2 s after the last release
        ({"released_at": at(39)}, 40),  # never later than quiet
        ({"steps": Steps.SILENT, "released_at": at(11)}, 13),  # steps that say nothing leave it to the release
        ({"steps": Steps.IN_PROGRESS, "released_at": at(11)}, 310),  # 5 minutes after the last Instance
        ({"steps": Steps.MISSING, "released_at": at(11)}, 40),  # what is named and missing may still come
        ({"steps": Steps.HERE, "now": at(12)}, 12),  # at once
        ({"revision": 2, "released_at": at(11)}, 70),  # a late image waits for quiet, twice as long
        ({"revision": 3, "released_at": at(11)}, 130),
        ({"revision": 2, "steps": Steps.HERE, "now": at(12)}, 12),
        ({"revision": 5, "steps": Steps.IN_PROGRESS}, 490),  # the longer of the two
        ({"revision": 99, "released_at": at(11)}, 900),  # forced
    ],
)
def test_the_first_line_of_the_rule_that_fits_counts(facts: dict[str, object], expected: float) -> None:
    assert seconds(**facts) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", Steps)
def test_nothing_keeps_a_revision_open_for_longer_than_the_forced_time(steps: Steps) -> None:
    assert seconds(5000, steps=steps, now=at(5000)) <= 900


@given(gaps=st.lists(st.floats(1, 600), min_size=1, max_size=300))
def test_one_image_for_each_association_makes_few_revisions_whatever_the_pauses(gaps: list[float]) -> None:
    """At most 2, one for each doubling up to the forced time, and then one for each forced time that passes."""
    revision, started, now = 1, NOON, NOON
    closes = now + TIMING.after_release
    for gap in gaps:
        now += timedelta(seconds=gap)
        if now >= closes:
            revision, started = revision + 1, now
        closes = close_time(TIMING, revision=revision, started_at=started, last_at=now, released_at=now)
    doublings = 5  # 30 s to 900 s
    assert revision <= 2 + doublings + (now - NOON) / TIMING.forced
