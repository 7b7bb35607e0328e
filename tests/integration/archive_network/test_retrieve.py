"""C-MOVE and C-GET over the wire: files as they are, and the truth about what could not be sent."""

from pathlib import Path
from typing import Any

import pytest
from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import ComputedRadiographyImageStorage as Cr
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE, build_role, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Get
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as Move

from dicom_io.door import Verb
from dicom_io.file_meta import read_file_meta
from dicom_io.negotiation import supported_contexts


def dataset_of(data: bytes) -> bytes:
    return data[read_file_meta(data).dataset_offset :]


def ask(level: str, **keys: Any) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None
        query[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE)
    return query


def move(holder: Any, query: Dataset, destination: str = "DEST", title: str = "STATION") -> list[tuple[Any, Any]]:
    entity = AE(title)
    entity.dimse_timeout = entity.acse_timeout = 10
    entity.add_requested_context(Move)
    association = entity.associate("127.0.0.1", holder.scp.port, ae_title="TIBABU")
    assert association.is_established
    answers = list(association.send_c_move(query, destination, Move))
    association.release()
    return answers


def get(holder: Any, query: Dataset, *, syntaxes: Any, answer: int = 0x0000) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Return the responses, and (transfer syntax, dataset's bytes) of what came."""
    came: list[Any] = []

    def store(event: Any) -> int:
        came.append((str(event.context.transfer_syntax), event.request.DataSet.getvalue()))
        return answer

    entity = AE("STATION")
    entity.dimse_timeout = entity.acse_timeout = 10
    entity.add_requested_context(Get)
    for syntax in syntaxes:
        entity.add_requested_context(Cr, syntax)
    association = entity.associate(
        "127.0.0.1",
        holder.scp.port,
        ae_title="TIBABU",
        ext_neg=[build_role(Cr, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, store)],
    )
    assert association.is_established
    answers = list(association.send_c_get(query, Get))
    association.release()
    return answers, came


def counts(status: Any) -> tuple[Any, ...]:
    return (
        status.Status,
        status.NumberOfCompletedSuboperations,
        status.NumberOfFailedSuboperations,
        status.NumberOfWarningSuboperations,
    )


def test_a_study_is_moved_with_its_bytes_in_its_own_syntaxes(hold: Any, radiograph: Any, destination: Any) -> None:
    sink, port = destination
    holder = hold({"DEST": port})
    one = radiograph()
    other = radiograph(StudyInstanceUID=one.StudyInstanceUID)
    other.compress(RLELossless, generate_instance_uid=False)
    holder.take(one, other, radiograph())
    answers = move(holder, ask("STUDY", StudyInstanceUID=one.StudyInstanceUID))
    assert [status.Status for status, _ in answers] == [0xFF00, 0x0000]
    assert answers[0][0].NumberOfRemainingSuboperations == 1
    assert "NumberOfRemainingSuboperations" not in answers[-1][0]
    assert counts(answers[-1][0]) == (0x0000, 2, 0, 0)
    held = {path.read_bytes() for path in holder.store.path("00/" + "0" * 64 + ".dcm").parents[1].glob("*/*.dcm")}
    assert {dataset_of(one.data) for one in sink.instances} < {dataset_of(data) for data in held}
    assert {one.transfer_syntax_uid for one in sink.instances} == {ExplicitVRLittleEndian, RLELossless}
    assert {one.calling_ae_title for one in sink.instances} == {"TIBABU"}


@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
def test_a_series_or_an_image_is_moved_alone(hold: Any, radiograph: Any, destination: Any, level: str) -> None:
    sink, port = destination
    holder = hold({"DEST": port})
    one = radiograph()
    holder.take(one, radiograph(StudyInstanceUID=one.StudyInstanceUID))
    keys = {"StudyInstanceUID": one.StudyInstanceUID, "SeriesInstanceUID": one.SeriesInstanceUID}
    query = ask(level, **keys, **({"SOPInstanceUID": [one.SOPInstanceUID, "1.2.3"]} if level == "IMAGE" else {}))
    assert counts(move(holder, query)[-1][0]) == (0x0000, 1, 0, 0)
    assert [came.affected_sop_instance_uid for came in sink.instances] == [one.SOPInstanceUID]


def test_a_destination_that_is_unknown_or_not_open_to_the_caller_is_a801(
    hold: Any, radiograph: Any, destination: Any
) -> None:
    holder = hold({"DEST": destination[1]})
    one = radiograph()
    holder.take(one)
    query = ask("STUDY", StudyInstanceUID=one.StudyInstanceUID)
    assert [status.Status for status, _ in move(holder, query, destination="ELSEWHERE")] == [0xA801]
    assert [status.Status for status, _ in move(holder, query, destination="STATION")] == [0xA801]
    assert destination[0].instances == []


def test_a_destination_that_is_not_there_fails_every_instance(hold: Any, radiograph: Any, destination: Any) -> None:
    holder = hold({"DEST": 1})
    one = radiograph()
    other = radiograph(StudyInstanceUID=one.StudyInstanceUID)
    holder.take(one, other)
    ((status, failed),) = move(holder, ask("STUDY", StudyInstanceUID=one.StudyInstanceUID))
    assert counts(status) == (0xA702, 0, 2, 0)
    assert set(failed.FailedSOPInstanceUIDList) == {one.SOPInstanceUID, other.SOPInstanceUID}
    assert destination[0].instances == []


def test_what_the_destination_refuses_is_listed(hold: Any, radiograph: Any, destination: Any) -> None:
    """B000, with the Failed SOP Instance UID List; a warning counts as sent."""
    sink, port = destination
    holder = hold({"DEST": port})
    one = radiograph()
    others = [radiograph(StudyInstanceUID=one.StudyInstanceUID) for _ in range(2)]
    holder.take(one, *others)
    answer = {one.SOPInstanceUID: 0xA700, others[0].SOPInstanceUID: 0xB007}
    sink.answer = lambda instance: answer.get(instance.affected_sop_instance_uid, 0)
    status, failed = move(holder, ask("STUDY", StudyInstanceUID=one.StudyInstanceUID))[-1]
    assert counts(status) == (0xB000, 1, 1, 1)
    assert failed.FailedSOPInstanceUIDList == one.SOPInstanceUID


def test_a_file_that_is_gone_is_a_failed_one(hold: Any, radiograph: Any, destination: Any) -> None:
    holder = hold({"DEST": destination[1]})
    one = radiograph()
    other = radiograph(StudyInstanceUID=one.StudyInstanceUID)
    holder.take(one, other)
    for path in Path(holder.store.path("00/" + "0" * 64 + ".dcm")).parents[1].glob("*/*.dcm"):
        if one.SOPInstanceUID.encode() in path.read_bytes():
            path.unlink()
    status, failed = move(holder, ask("STUDY", StudyInstanceUID=one.StudyInstanceUID))[-1]
    assert counts(status) == (0xB000, 1, 1, 0)
    assert failed.FailedSOPInstanceUIDList == one.SOPInstanceUID


@pytest.mark.parametrize(
    "query",
    [
        ask("STUDY"),
        ask("STUDY", StudyInstanceUID="1.*"),
        ask("SERIES", StudyInstanceUID="1.2"),
        ask("IMAGE", StudyInstanceUID="1.2", SOPInstanceUID="1.3"),
        ask("PATIENT", PatientID="P1"),
    ],
)
def test_a_retrieval_without_its_unique_keys_is_a900(hold: Any, query: Dataset) -> None:
    assert [status.Status for status, _ in move(hold(), query)] == [0xA900]


def test_a_retrieval_of_nothing_is_success_of_nothing(hold: Any, destination: Any) -> None:
    ((status, _),) = move(hold({"DEST": destination[1]}), ask("STUDY", StudyInstanceUID="1.2.3"))
    assert counts(status) == (0x0000, 0, 0, 0)


def test_a_study_is_got_over_the_same_association(hold: Any, radiograph: Any) -> None:
    holder = hold()
    one = radiograph()
    other = radiograph(StudyInstanceUID=one.StudyInstanceUID)
    other.compress(RLELossless, generate_instance_uid=False)
    holder.take(one, other)
    answers, came = get(
        holder, ask("STUDY", StudyInstanceUID=one.StudyInstanceUID), syntaxes=[ExplicitVRLittleEndian, RLELossless]
    )
    assert counts(answers[-1][0]) == (0x0000, 2, 0, 0)
    assert {syntax for syntax, _ in came} == {ExplicitVRLittleEndian, RLELossless}
    held = Path(holder.store.path("00/" + "0" * 64 + ".dcm")).parents[1].glob("*/*.dcm")
    assert {data for _, data in came} == {dataset_of(path.read_bytes()) for path in held}


def test_what_the_peer_accepted_in_another_syntax_is_failed_and_not_converted(hold: Any, radiograph: Any) -> None:
    holder = hold()
    one = radiograph()
    other = radiograph(StudyInstanceUID=one.StudyInstanceUID)
    other.compress(RLELossless, generate_instance_uid=False)
    holder.take(one, other)
    answers, came = get(holder, ask("STUDY", StudyInstanceUID=one.StudyInstanceUID), syntaxes=[ExplicitVRLittleEndian])
    status, failed = answers[-1]
    assert counts(status) == (0xB000, 1, 1, 0)
    assert failed.FailedSOPInstanceUIDList == other.SOPInstanceUID
    assert [syntax for syntax, _ in came] == [ExplicitVRLittleEndian]


def test_the_syntax_that_is_held_comes_first_among_those_that_a_getter_offers(hold: Any, radiograph: Any) -> None:
    """A peer that offers several in one context would else get nothing of what lies here in the second."""
    holder = hold()
    one = radiograph()
    one.compress(RLELossless, generate_instance_uid=False)
    holder.take(one)
    answers, came = get(
        holder,
        ask("STUDY", StudyInstanceUID=one.StudyInstanceUID),
        syntaxes=[[ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless]],
    )
    assert counts(answers[-1][0]) == (0x0000, 1, 0, 0)
    assert [syntax for syntax, _ in came] == [RLELossless]


def test_a_getter_that_refuses_hears_of_it(hold: Any, radiograph: Any) -> None:
    holder = hold()
    one = radiograph()
    holder.take(one)
    answers, _ = get(
        holder,
        ask("STUDY", StudyInstanceUID=one.StudyInstanceUID),
        syntaxes=[ExplicitVRLittleEndian],
        answer=0xA700,
    )
    assert counts(answers[-1][0]) == (0xA702, 0, 1, 0)


def test_a_peer_that_may_only_get_is_offered_storage_for_what_it_is_sent() -> None:
    """What it sends itself is refused by the session."""
    (context,) = supported_contexts([build_context(Cr)], may={Verb.GET})
    assert (context.scu_role, context.scp_role) == (True, True)
    assert supported_contexts([build_context(Cr)], may={Verb.FIND}) == []


@pytest.mark.tools
def test_movescu_and_getscu_have_what_was_sent(
    hold: Any, radiograph: Any, destination: Any, run: Any, tmp_path: Path
) -> None:
    sink, port = destination
    holder = hold({"DEST": port})
    studies = [radiograph() for _ in range(2)]
    holder.take(*studies)
    who = ("-aet", "STATION", "-aec", "TIBABU", "127.0.0.1", holder.scp.port)
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={studies[0].StudyInstanceUID}")
    run("movescu", "-S", "-aem", "DEST", *who, *keys)
    assert [came.affected_sop_instance_uid for came in sink.instances] == [studies[0].SOPInstanceUID]
    run("getscu", "-S", "-od", tmp_path / "got", *who, *keys, succeeds=False)
    (tmp_path / "got").mkdir()
    run("getscu", "-S", "-od", tmp_path / "got", *who, *keys)
    (got,) = (tmp_path / "got").iterdir()
    assert dataset_of(got.read_bytes()) == dataset_of(sink.instances[0].data)
