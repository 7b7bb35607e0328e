"""The reports that are JSON, for review: a change to what leaves for a hospital shows here, line by line."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import reports
from agent.reports.document import StudyResult

Study = Callable[..., StudyResult]
GOLDEN = Path(__file__).with_name("golden")
WITHDRAWN = "withdrawn: rejected for quality reasons"


def lines(value: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each value, with where it stands, and one for a code."""
    if isinstance(value, dict) and set(value) == {"system", "code", "display"}:
        yield f"{path}: {value['code']} | {value['display']} | {value['system']}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from lines(inner, f"{path}.{key}".lstrip("."))
        if not value:
            yield f"{path}: {{}}"
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from lines(inner, f"{path}[{number}]")
    else:
        yield f"{path}: {json.dumps(value, ensure_ascii=False)}"


@pytest.mark.parametrize("outcome", ["flagged", "not_flagged", "not_analysed", "failed", "withdrawn"])
@pytest.mark.parametrize("kind", ["fhir", "summary"])
def test_a_report_is_what_was_reviewed(study: Study, source: Path, kind: str, outcome: str, tmp_path: Path) -> None:
    """Where a difference is meant, copy the new file over the golden one, and say in the commit why."""
    report = reports.load(kind)
    if outcome == "withdrawn":
        result = study("not_analysed", source, reason=WITHDRAWN, revision=2, version=3)
    else:
        result = replace(study(outcome, source), version=2)
    document = json.loads(report.render(result, report.Settings()).data)
    actual = tmp_path / f"{kind}-{outcome}.txt"
    actual.write_text("".join(f"{line}\n" for line in lines(document)), encoding="utf-8")
    golden = GOLDEN / actual.name
    expected = golden.read_text(encoding="utf-8") if golden.exists() else ""
    assert actual.read_text(encoding="utf-8") == expected, f"{actual} differs from {golden}"
