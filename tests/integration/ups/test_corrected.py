"""A corrected patient: nobody may change whose task it is; another one takes its place, unless somebody holds it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from db.patient_match import Demographics, Identifier
from db.patients import Correction
from db.schema.workitems import workitem
from db.workitems import latest_task, tasks_before


@pytest.fixture
def correct() -> Callable[[Any, str], None]:
    """Return `correct(hospital, name)`: an admission message corrects the name of the patient P1."""

    def act(hospital: Any, name: str) -> None:
        with hospital.database.begin() as connection:
            correction = Correction(connection=connection, queue=hospital.queue, source="ADT^A08", at=hospital.now)
            said = Demographics(patient_name=name, patient_birth_date="20220107", patient_sex="F")
            assert correction.update_patient([Identifier("P1", "KLINIK")], said).corrected == 1

    return act


def test_the_task_of_a_corrected_patient_is_another_one(
    hospital: Any, serve: Callable[..., Any], correct: Callable[[Any, str], None]
) -> None:
    study = hospital.study()
    client = serve(hospital)
    (old,) = client.listed("SCHEDULED")
    correct(hospital, "Öztürk^Zeynep")
    (new,) = client.listed("SCHEDULED")
    (gone,) = client.listed("CANCELED")
    assert gone.SOPInstanceUID == old.SOPInstanceUID
    assert str(new.PatientName) == "Öztürk^Zeynep"
    correct(hospital, "Öztürk^Zehra")
    with hospital.database.read() as connection:
        task = latest_task(connection, study)
        assert tasks_before(connection, task) == (old.SOPInstanceUID, new.SOPInstanceUID)
        states = connection.scalars(select(workitem.c.state).order_by(workitem.c.number)).all()
    assert states == ["CANCELED", "CANCELED", "SCHEDULED"]


def test_a_task_that_somebody_holds_stays_and_has_the_corrected_patient(
    hospital: Any, serve: Callable[..., Any], correct: Callable[[Any, str], None]
) -> None:
    hospital.study()
    client = serve(hospital)
    (task,) = client.listed()
    client.claim(task.SOPInstanceUID)
    correct(hospital, "Öztürk^Zeynep")
    (held,) = client.listed()
    assert (held.SOPInstanceUID, held.ProcedureStepState) == (task.SOPInstanceUID, "IN PROGRESS")
    assert str(held.PatientName) == "Öztürk^Zeynep"
