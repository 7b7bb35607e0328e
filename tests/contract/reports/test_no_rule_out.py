"""No report of any type, of any outcome, says or suggests that a study is normal, clear or ruled out.

Every text of the rendered bytes is looked at, whatever the format: a new type of report is here by being there. The
captions burned into a picture are those of `wording.caption`, which has a test of its own.
"""

import io
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from agent.reports import Report
from agent.reports.document import DICOM, OUTCOMES, Document, StudyResult

Study = Callable[..., StudyResult]
RULE_OUT = re.compile(
    r"\b(normal\w*|clear\w*|negative\w*|neg|unremarkable|healthy|benign|absent|excluded|rul\w+[ -]out|free of"
    r"|without (finding|pneumonia|disease|evidence)\w*|no (finding|pneumonia|evidence|disease|abnormalit|sign)\w*)\b",
    re.IGNORECASE,
)
TEXTS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT", "CS"})
WITHDRAWN = "withdrawn: rejected for quality reasons"


@pytest.fixture(params=[*OUTCOMES, "withdrawn"])
def result(request: pytest.FixtureRequest, study: Study, source: Path, any_report: Report) -> StudyResult:
    """Return a study of each outcome, and one whose result was withdrawn."""
    if request.param == "withdrawn":
        made = replace(
            study("not_analysed", source), reason=WITHDRAWN, withdrawal="113001", withdrawal_reason=WITHDRAWN
        )
    else:
        made = study(request.param, source)
    return made if any_report.applies(made.outcome) else study("flagged", source)


def texts(document: Document) -> Iterator[str]:
    """Yield every text that somebody may read of the document."""
    if document.media_type == DICOM:
        dataset = dcmread(io.BytesIO(document.data))
        yield from (str(value) for value in elements(dataset))
    elif "json" in document.media_type:
        yield from strings(json.loads(document.data))
    else:
        yield from document.data.decode("utf-8").replace("\r", "\n").splitlines()


def elements(dataset: Dataset) -> Iterator[object]:
    for element in dataset.iterall():
        if element.VR in TEXTS and element.value is not None:
            yield from element.value if isinstance(element.value, list) else [element.value]


def strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():  # the keys are the format's
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str) and not value.startswith(("http://", "https://")):
        yield value


def suggestions(text: str) -> list[str]:
    return [found.group() for found in RULE_OUT.finditer(text)]


def test_no_text_suggests_that_the_study_is_normal_clear_or_ruled_out(any_report: Report, result: StudyResult) -> None:
    said = list(texts(any_report.render(result, any_report.Settings())))
    assert said
    assert [(text, found) for text in said if (found := suggestions(text))] == []


@pytest.mark.tools
def test_no_text_on_an_encapsulated_page_does(any_report: Report, result: StudyResult, tmp_path: Path) -> None:
    document = any_report.render(result, any_report.Settings())
    if document.media_type != DICOM:
        return
    page = dcmread(io.BytesIO(document.data)).get("EncapsulatedDocument")
    if page is None:
        return
    path = tmp_path / "page.pdf"
    path.write_bytes(page)
    done = subprocess.run(["/usr/bin/pdftotext", path, "-"], check=True, capture_output=True)  # noqa: S603 - Debian's
    text = " ".join(done.stdout.decode("utf-8").split())
    assert "AI" in text
    assert suggestions(text) == []


@pytest.mark.parametrize("outcome", ["not_analysed", "failed"])
def test_a_study_that_was_not_analysed_is_reported_as_such_and_without_a_probability(
    any_report: Report, study: Study, source: Path, outcome: str
) -> None:
    """But for a reading task, which is of the study and says nothing of its result."""
    if not any_report.applies(outcome):
        return
    document = any_report.render(study(outcome, source), any_report.Settings())
    said = "\n".join(texts(document)).replace("0.3125", "the operating point")
    if document.media_type != "application/dicom+json":
        assert re.search(r"not[ _-]analysed|failed|withdrawn", said, re.IGNORECASE)
    assert not re.search(r"\b0\.\d{2,}", re.sub(r"\d+\.\d+\.\d+[\d.]*", "a UID or version", said))


@pytest.mark.parametrize(
    "text", ["Normal chest.", "clear", "PNEUMONIA: NEGATIVE", "ruled out", "No evidence of", "NEG"]
)
def test_the_search_finds_what_it_is_to_find(text: str) -> None:
    assert suggestions(text)
