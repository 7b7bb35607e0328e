"""UIDs are derived from what they stand for, so that the same report has the same name everywhere."""

import re
from dataclasses import replace

import pytest

from agent.reports.document import ModelIdentity
from agent.reports.identity import device_uid, report_uid, series_uid, tracking_uid

SR = "1.2.840.10008.5.1.4.1.1.88.34"


def test_uids_never_change_between_releases(model: ModelIdentity) -> None:
    """These were written once and must stay: a report resent after an upgrade has the UID that it had."""
    assert report_uid("site", "1.2", 1, 1, SR) == "2.25.309073327700784230583444498998296192763"
    assert series_uid("site", "1.2", SR, "AI: analysis failed") == "2.25.14652154532575411296007890008268248987"
    assert tracking_uid("site", "1.2.3", "233604007") == "2.25.174509232004002629021239898467309893221"
    assert device_uid("site", model) == "2.25.40190201013611321723920542910380032849"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"version": "4"},
        {"sha256": "cd" * 32},
        {"operating_point_name": "specific"},
        {"threshold": 0.3126},
        {"preprocessing": "224"},
    ],
)
def test_another_model_or_operating_point_is_another_device(model: ModelIdentity, change: dict[str, object]) -> None:
    assert device_uid("site", replace(model, **change)) != device_uid("site", model)


def test_another_installation_is_another_device(model: ModelIdentity) -> None:
    assert device_uid("a", model) != device_uid("b", model)


def test_every_part_of_a_reports_identity_makes_another_uid() -> None:
    variants = [
        ("site", "1.2", 1, 1, SR),
        ("site2", "1.2", 1, 1, SR),
        ("site", "1.22", 1, 1, SR),
        ("site", "1.2", 2, 1, SR),
        ("site", "1.2", 1, 2, SR),
        ("site", "1.2", 1, 1, SR + "4"),
        ("site", "1.2", 11, 1, SR),
        ("site", "1.2", 1, 11, SR),
    ]
    assert len({report_uid(*variant) for variant in variants}) == len(variants)


def test_uids_are_valid(model: ModelIdentity) -> None:
    for uid in (device_uid("site", model), report_uid("site", "1.2", 1, 1, SR), series_uid("s", "1", SR, "d")):
        assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", uid)
