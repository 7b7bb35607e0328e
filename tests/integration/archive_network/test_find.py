"""C-FIND over the wire: Study Root, every level, with pynetdicom and DCMTK as clients."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import ComputedRadiographyImageStorage
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find

from agent.archive import HeldArchive
from dicom_io.matching import make_query
from dicom_io.query_keys import Level

NAME = "M\u00fcller^J\u00f6rg=\u5c71\u7530^\u592a\u90ce"


def associate(holder: Any, title: str = "STATION", syntaxes: Any = (ExplicitVRLittleEndian,), ext: Any = ()) -> Any:
    entity = AE(title)
    entity.dimse_timeout = entity.acse_timeout = 10
    entity.add_requested_context(Find, list(syntaxes))
    return entity.associate("127.0.0.1", holder.scp.port, ae_title="TIBABU", ext_neg=list(ext))


def ask(association: Any, **keys: Any) -> list[tuple[int, Dataset | None]]:
    query = Dataset()
    query.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in keys.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None
        query[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE)
    return [(status.Status, found) for status, found in association.send_c_find(query, Find)]


def find(holder: Any, **keys: Any) -> list[tuple[int, Dataset | None]]:
    association = associate(holder)
    assert association.is_established
    answers = ask(association, **keys)
    association.release()
    return answers


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, "1.2.840.10008.1.2.2"])
def test_a_study_is_found_with_a_name_in_any_script(hold: Any, radiograph: Any, syntax: str) -> None:
    holder = hold()
    one = radiograph(PatientName=NAME)
    holder.take(one, radiograph(PatientName="Doe^John", StudyDate="20250101"))
    association = associate(holder, syntaxes=[syntax])
    answers = ask(
        association,
        QueryRetrieveLevel="STUDY",
        PatientName="m\u00fcller*",
        StudyDate="20260101-20260131",
        ModalitiesInStudy="",
        NumberOfStudyRelatedInstances="",
        StudyInstanceUID="",
    )
    association.release()
    assert [status for status, _ in answers] == [0xFF00, 0x0000]
    found = answers[0][1]
    assert found is not None
    assert (str(found.PatientName), found.StudyInstanceUID) == (NAME, one.StudyInstanceUID)
    assert (found.ModalitiesInStudy, found.NumberOfStudyRelatedInstances) == ("CR", 1)
    assert (found.RetrieveAETitle, found.InstanceAvailability, found.QueryRetrieveLevel) == (
        "TIBABU",
        "ONLINE",
        "STUDY",
    )


def test_series_and_images_are_found_below_one_study(hold: Any, radiograph: Any) -> None:
    holder = hold()
    one = radiograph(SeriesDescription="frontal")
    other = radiograph(StudyInstanceUID=one.StudyInstanceUID, SeriesNumber=2, Rows=32, Columns=4)
    holder.take(one, other)
    answers = find(holder, QueryRetrieveLevel="SERIES", StudyInstanceUID=one.StudyInstanceUID, SeriesDescription="")
    assert [found.SeriesDescription for _, found in answers if found is not None] == ["frontal", ""]
    ((status, image), _) = find(
        holder,
        QueryRetrieveLevel="IMAGE",
        StudyInstanceUID=one.StudyInstanceUID,
        SeriesInstanceUID=other.SeriesInstanceUID,
        Rows=None,
        SOPClassUID="",
        NumberOfFrames="",
    )
    assert image is not None
    assert (status, image.SOPInstanceUID, image.Rows, image.NumberOfFrames) == (0xFF00, other.SOPInstanceUID, 32, 1)


def test_a_key_that_is_not_supported_is_ignored_and_told(hold: Any, radiograph: Any) -> None:
    """PS3.4 table C.4-1: FF01, and every study matches all the same."""
    holder = hold()
    holder.take(radiograph())
    (status, found), (last, _) = find(holder, QueryRetrieveLevel="STUDY", StudyInstanceUID="", PatientComments="tall")
    assert (status, last) == (0xFF01, 0x0000)
    assert found is not None
    assert "PatientComments" not in found


@pytest.mark.parametrize(
    "keys",
    [
        {"QueryRetrieveLevel": "PATIENT", "PatientID": ""},
        {"QueryRetrieveLevel": "FRAME"},
        {"StudyInstanceUID": ""},
        {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": ""},
        {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": ["1.2", "1.3"]},
        {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": "1.2", "SOPInstanceUID": ""},
        {"QueryRetrieveLevel": "STUDY", "StudyTime": "25-xx"},
    ],
)
def test_an_identifier_that_does_not_match_the_sop_class_is_a900(hold: Any, keys: dict[str, Any]) -> None:
    assert [status for status, _ in find(hold(), **keys)] == [0xA900]


def test_bytes_that_are_no_identifier_get_a_status(hold: Any) -> None:
    holder = hold()
    association = associate(holder)
    patient = Dataset()
    patient.QueryRetrieveLevel = "STUDY"
    from pynetdicom import association as module  # noqa: PLC0415 - its encoder is replaced for this request

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "encode", lambda *_: b"\xff" * 31)
        statuses = [status.Status for status, _ in association.send_c_find(patient, Find)]
    assert statuses == [0xA900]
    assert [status for status, _ in ask(association, QueryRetrieveLevel="STUDY", StudyInstanceUID="")] == [0x0000]
    association.release()


def test_more_answers_than_are_allowed_end_with_a700(hold: Any, radiograph: Any) -> None:
    holder = hold(maximum_answers=2)
    holder.take(*(radiograph() for _ in range(3)))
    statuses = [status for status, _ in find(holder, QueryRetrieveLevel="STUDY", StudyInstanceUID="")]
    assert statuses == [0xFF00, 0xFF00, 0xA700]


class Endless:
    """An archive in which every query matches without end."""

    last: Any = None

    def find(self, *_: Any) -> Iterator[dict[str, str]]:
        return itertools.repeat({"study_instance_uid": "1.2.3"})

    def served(self, served: Any) -> None:
        self.last = served


def test_a_cancelled_query_ends_with_fe00(hold: Any) -> None:
    archive = Endless()
    association = associate(hold(archive=archive, maximum_answers=1 << 40))
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
    last = 0
    for number, (status, _) in enumerate(association.send_c_find(query, Find, msg_id=7)):
        if number == 0:
            association.send_c_cancel(7, None, Find)
        last = status.Status
    assert last == 0xFE00
    assert [status for status, _ in ask(association, QueryRetrieveLevel="NONE")] == [0xA900], "the next one is served"
    association.release()


def test_a_query_whose_peer_hangs_up_ends(hold: Any, eventually: Any) -> None:
    archive = Endless()
    association = associate(hold(archive=archive, maximum_answers=1 << 40))
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
    next(association.send_c_find(query, Find))
    association.abort()
    eventually(lambda: archive.last is not None and archive.last.status == 0xFE00)


class Fruitless:
    """An archive that looks for a match until nobody waits for one."""

    last: Any = None

    def __init__(self) -> None:
        self.begun = threading.Event()

    def find(self, _level: Any, _query: Any, is_given_up: Callable[[], bool]) -> Iterator[dict[str, str]]:
        self.begun.set()
        while not is_given_up():
            threading.Event().wait(0.01)
        return iter(())

    def served(self, served: Any) -> None:
        self.last = served


def test_a_query_that_finds_nothing_ends_with_its_peer(hold: Any, eventually: Any) -> None:
    """Else whoever asks and hangs up, again and again, leaves as many searches of the whole archive behind."""
    archive = Fruitless()
    association = associate(hold(archive=archive))
    association.dimse_timeout = 2  # so long this end waits for what will not come
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(next, association.send_c_find(query, Find))
        assert archive.begun.wait(60)
        association.abort()
        eventually(lambda: archive.last is not None and archive.last.status == 0xFE00)
        asked.result()


def test_what_is_held_is_not_looked_through_for_nobody(hold: Any, radiograph: Any) -> None:
    holder = hold()
    holder.take(radiograph(), radiograph())
    archive = HeldArchive(holder.database, holder.store, lambda: datetime.now(UTC))
    assert len(list(archive.find(Level.STUDY, make_query({}), lambda: False))) == 2
    assert list(archive.find(Level.STUDY, make_query({}), lambda: True)) == []


def test_ranges_of_date_and_time_are_one_if_that_was_negotiated(hold: Any, radiograph: Any) -> None:
    """PS3.4 C.5.1.1: the second byte."""
    holder = hold()
    holder.take(radiograph(StudyDate="20260102", StudyTime="120000"))
    keys = {"QueryRetrieveLevel": "STUDY", "StudyDate": "20260101-20260103", "StudyTime": "220000-060000"}
    assert [status for status, _ in find(holder, **keys)] == [0x0000]
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = Find, b"\1\1\1\1"
    association = associate(holder, ext=[item])
    assert association.acceptor.sop_class_extended[Find] == b"\0\1\0\0"
    assert [status for status, _ in ask(association, **keys)] == [0xFF00, 0x0000]
    association.release()


def test_queries_are_denied_unless_they_are_opened(hold: Any, radiograph: Any) -> None:
    holder = hold()
    holder.take(radiograph())
    association = associate(holder, "STRANGER")
    assert not association.is_established
    assert [context.result for context in association.rejected_contexts] == [3]


@pytest.mark.tools
def test_findscu_finds_a_list_of_uids(hold: Any, radiograph: Any, run: Any) -> None:
    holder = hold()
    studies = [radiograph(PatientID=f"P{number}") for number in range(3)]
    holder.take(*studies)
    wanted = "\\".join(study.StudyInstanceUID for study in studies[:2])
    keys = ("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={wanted}", "PatientID", "SpecificCharacterSet=ISO_IR 100")
    options = [part for key in keys for part in ("-k", key)]
    said = run("findscu", "-v", "-S", "-aet", "STATION", "-aec", "TIBABU", "127.0.0.1", holder.scp.port, *options)
    assert (
        said.count("Find Response: ") - said.count("Received Final Find Response") == 2 or said.count("(Pending)") == 2
    )
    assert "[P0 ]" in said.replace("[P0]", "[P0 ]")
    assert "P2" not in said


def test_an_unknown_study_is_no_match(hold: Any) -> None:
    assert [status for status, _ in find(hold(), QueryRetrieveLevel="STUDY", StudyInstanceUID=generate_uid())] == [0]


def test_a_store_in_the_place_of_a_query_is_refused_although_its_peer_may_store(hold: Any) -> None:
    association = associate(hold())
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    request.DataSet = BytesIO(b"\x08\x00\x05\x00CS\x00\x00")
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    assert response.Status == 0x0122
    association.release()
