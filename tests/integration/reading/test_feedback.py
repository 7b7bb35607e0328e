"""Opinions as data: counted, exported, and as labels of images, on both databases."""

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.cli.feedback import feedback as command
from agent.watch.feedback import total, write_opinions
from db import feedback
from db.audit_search import AuditQuery, search
from db.audit_terms import EventId
from db.errors import RefusedError
from db.feedback import Also, Finding, Opinion, all_feedback
from db.feedback_counts import feedback_counts, labelled_images
from db.outcome import Outcome
from db.priority import Allowances
from db.reading_undo import undo


@pytest.fixture
def judged(desk: Any) -> Any:
    """Let two readers judge the flagged study, and one a study of two images that was not flagged."""
    desk.since = desk.now
    for who, opinion in (
        ("ada", Opinion(agrees=True, finding=Finding.PRESENT)),
        (
            "bo",
            Opinion(
                agrees=False, finding=Finding.OTHER, reason="=rib", finding_text="old fracture", also=Also.EFFUSION
            ),
        ),
    ):
        desk.last = feedback.give(desk.database, desk.seen(), desk.acting(who), opinion)
    desk.uid = "2.25.2"
    images = [desk.ledger.receive(desk.uid, at=desk.now, patient_id="P2") for _ in range(2)]
    for image in images:
        desk.ledger.score(image, Outcome.NOT_FLAGGED, at=desk.now, probability=0.1)
    desk.now += timedelta(minutes=1)
    desk.ledger.conclude(images[0].study_id, at=desk.now)
    missed = Opinion(agrees=False, finding=Finding.PRESENT, reason="behind the heart")
    feedback.give(desk.database, desk.seen(), desk.acting(), missed)
    return desk


def test_the_last_word_on_each_result_counts_and_the_one_before_it_when_that_is_taken_back(judged: Any) -> None:
    found = total(feedback_counts(judged.database, since=judged.since))
    assert (found.true_positive, found.false_positive, found.missed, found.true_negative) == (0, 1, 1, 0)
    judged.uid = "2.25.1"
    undo(judged.database, judged.queue, judged.seen(), judged.acting(), judged.last, allowances=Allowances())
    found = total(feedback_counts(judged.database, since=judged.since))
    assert (found.true_positive, found.false_positive, found.missed, found.true_negative) == (1, 0, 1, 0)
    assert feedback_counts(judged.database, since=judged.now + timedelta(days=1)) == ()


@pytest.mark.parametrize("outcome", [Outcome.NOT_ANALYSED, Outcome.FAILED])
def test_nobody_agrees_with_an_ai_that_said_nothing(outcome: Outcome) -> None:
    with pytest.raises(RefusedError, match="said nothing"):
        feedback.check(outcome, Opinion(agrees=True, finding=Finding.PRESENT))


@pytest.mark.parametrize("agrees", [True, False])
def test_who_is_not_sure_may_agree_or_not(*, agrees: bool) -> None:
    feedback.check(Outcome.FLAGGED, Opinion(agrees=agrees, finding=Finding.UNSURE))


def test_of_a_study_without_a_result_nobody_has_an_opinion(desk: Any) -> None:
    desk.ledger.receive("2.25.3", at=desk.now, patient_id="P3")
    desk.uid = "2.25.3"
    with pytest.raises(RefusedError, match="no result"):
        feedback.give(desk.database, desk.seen(), desk.acting(), Opinion(agrees=True, finding=Finding.PRESENT))


def test_opinions_are_told_page_by_page_up_to_a_time(judged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "_AT_ONCE", 2)
    everything = list(all_feedback(judged.database))
    assert [one.person for one in everything] == ["ada", "bo", "ada"]
    assert list(all_feedback(judged.database, until=everything[2].at)) == everything[:2]


def test_every_opinion_is_exported_with_its_result_and_nothing_a_spreadsheet_would_run(judged: Any) -> None:
    file = io.StringIO(newline="")
    assert write_opinions(all_feedback(judged.database), file) == 3
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [(row["person"], row["finding"], row["outcome"], row["taken_back"]) for row in rows] == [
        ("ada", "present", "flagged", "False"),
        ("bo", "other", "flagged", "False"),
        ("ada", "present", "not_flagged", "False"),
    ]
    assert rows[1]["reason"] == "'=rib"
    assert rows[1]["finding_coded"] == "233604007 |Pneumonia|: 2667000 |Absent|"
    assert [row["also_coded"] for row in rows] == ["", "60046008 |Pleural effusion|", ""]
    assert {row["model_sha256"] for row in rows} == {"ab" * 32}


def test_a_finding_labels_an_image_only_where_it_is_the_only_one_of_its_study(judged: Any) -> None:
    (one,) = labelled_images(judged.database, since=judged.since)
    assert (one.finding, one.patient) == (Finding.OTHER, ("P1", ""))


def test_the_command_prints_the_figures_and_writes_both_files_and_the_trail_says_who_took_them(
    judged: Any, tmp_path: Path
) -> None:
    url = judged.database.url.render_as_string(hide_password=False).replace("+psycopg", "").replace("+pysqlite", "")
    config = tmp_path / "config.toml"
    config.write_text(f'[database]\nurl = "{url}"\n', encoding="utf-8")
    files = ["--csv", str(tmp_path / "opinions.csv"), "--manifest", str(tmp_path / "manifest.csv")]
    done = CliRunner().invoke(command, ["--config", str(config), "--days", "36500", *files])
    assert done.exit_code == 0, done.output
    assert "all: agree 0 of 2 (0.0%; 0.0% to 65.8%); of the flagged pneumonia 0 of 1" in done.output
    assert len((tmp_path / "opinions.csv").read_text(encoding="utf-8").splitlines()) == 4
    assert "NORMAL,p1,other" in (tmp_path / "manifest.csv").read_text(encoding="utf-8")
    told = search(judged.database, AuditQuery(event=EventId.EXPORT)).rows
    assert [row.event.detail for row in told] == ["1 images with readers' labels", "3 opinions of readers"]
