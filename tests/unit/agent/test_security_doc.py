"""docs/security.md answers every requirement of ASVS 5.0.0 on levels 1 and 2, and names tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")

LAST: dict[str, str] = {
    "1.1": "1-2",
    "1.2": "1-9",
    "1.3": "1-11",
    "1.4": "1-3",
    "1.5": "1-2",
    "2.1": "1-3",
    "2.2": "1-3",
    "2.3": "1-4",
    "2.4": "1",
    "3.2": "1-2",
    "3.3": "1-4",
    "3.4": "1-6",
    "3.5": "1-5",
    "3.7": "1-2",
    "4.1": "1-3",
    "4.2": "1",
    "4.3": "1-2",
    "4.4": "1-4",
    "5.1": "1",
    "5.2": "1-3",
    "5.3": "1-2",
    "5.4": "1-3",
    "6.1": "1-3",
    "6.2": "1-12",
    "6.3": "1-4",
    "6.4": "1-4",
    "6.5": "1-5",
    "6.6": "1-3",
    "6.8": "1-4",
    "7.1": "1-3",
    "7.2": "1-4",
    "7.3": "1-2",
    "7.4": "1-5",
    "7.5": "1-2",
    "7.6": "1-2",
    "8.1": "1-2",
    "8.2": "1-3",
    "8.3": "1",
    "8.4": "1",
    "9.1": "1-3",
    "9.2": "1-4",
    "10.1": "1-2",
    "10.2": "1-2",
    "10.3": "1-4",
    "10.4": "1-11",
    "10.5": "1-5",
    "10.6": "1-2",
    "10.7": "1-3",
    "11.1": "1-2",
    "11.2": "1-3",
    "11.3": "1-3",
    "11.4": "1-4",
    "11.5": "1",
    "11.6": "1",
    "12.1": "1-3",
    "12.2": "1-2",
    "12.3": "1-4",
    "13.1": "1",
    "13.2": "1-5",
    "13.3": "1-2",
    "13.4": "1-5",
    "14.1": "1-2",
    "14.2": "1-4",
    "14.3": "1-3",
    "15.1": "1-3",
    "15.2": "1-3",
    "15.3": "1-7",
    "16.1": "1",
    "16.2": "1-5",
    "16.3": "1-4",
    "16.4": "1-3",
    "16.5": "1-3",
    "17.1": "1",
    "17.2": "1-4",
    "17.3": "1-2",
}
"""The numbers of each section's requirements on levels 1 and 2."""


def test_every_requirement_is_answered_once() -> None:
    expected = set()
    for section, span in LAST.items():
        first, _, last = span.partition("-")
        expected |= {f"{section}.{number}" for number in range(int(first), int(last or first) + 1)}
    rows = re.findall(r"(?m)^\| ([0-9., ]+) \| (?:\*\*)?(met|partly|not met|none)(?:\*\*)? \| \S", TEXT)
    answered = [number for numbers, _ in rows for number in numbers.split(", ")]
    answered += re.findall(r"\d+\.\d+\.\d+", TEXT.partition("### 17 WebRTC")[2])
    assert sorted(answered) == sorted(expected)
    assert len(expected) == 253


def test_what_falls_short_is_said_in_one_place() -> None:
    said = TEXT.partition("What falls short")[2].partition("### 1 ")[0]
    not_met, _, partly = said.partition("are not met;")
    for state, place in (("not met", not_met), ("partly", partly)):
        rows = re.findall(rf"(?m)^\| ([0-9., ]+) \| (?:\*\*)?{state}(?:\*\*)? \|", TEXT)
        expected = {number for numbers in rows for number in numbers.split(", ")}
        assert set(re.findall(r"\d+\.\d+\.\d+", place)) == expected


def test_the_tests_and_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`((?:tests|agent|db|dicom_io|\.ci)/[\w./]+)`", TEXT))
    assert len(named) > 30
    assert not [path for path in named if not (ROOT / path).exists()]
