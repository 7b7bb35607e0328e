"""A PACS that takes no Comprehensive 3D SR gets its reports in a SOP Class that it takes, beside one that takes all."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import highdicom
import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.sop_class import Comprehensive3DSRStorage, EnhancedSRStorage, SecondaryCaptureImageStorage, Verification

Make = Callable[..., Dataset]


@pytest.fixture
def database(sqlite_database: Any) -> Any:
    """One database is enough here."""
    return sqlite_database


@dataclass
class OlderPacs:
    """A Storage SCP of pynetdicom that knows Enhanced SR and Secondary Capture, and no newer SR."""

    received: list[bytes] = field(default_factory=list)
    port: int = 0

    def stored(self, event: Any) -> int:
        file = io.BytesIO()
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        dataset.save_as(file, enforce_file_format=True)
        self.received.append(file.getvalue())
        return 0x0000

    @property
    def reports(self) -> list[Dataset]:
        found = [dcmread(io.BytesIO(data)) for data in list(self.received)]
        return [one for one in found if one.Modality == "SR"]


@pytest.fixture
def older() -> Iterator[OlderPacs]:
    pacs = OlderPacs()
    entity = AE("OLDER")
    for sop_class in (EnhancedSRStorage, SecondaryCaptureImageStorage, Verification):
        entity.add_supported_context(sop_class)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, pacs.stored)])
    pacs.port = server.server_address[1]
    yield pacs
    server.shutdown()


def places(pacs_port: int, older: OlderPacs, **of_older: Any) -> list[dict[str, Any]]:
    modern = {"name": "pacs", "type": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs_port}
    old = {"name": "older", "type": "dicom", "ae_title": "OLDER", "host": "127.0.0.1", "port": older.port}
    return [modern, old | of_older]


def test_a_named_report_of_another_sop_class_goes_to_the_pacs_that_refuses_the_first(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any, pacs_port: int, older: OlderPacs
) -> None:
    agent = start(
        reports={"sr_enhanced": {"type": "sr", "sop_class": "enhanced"}},
        destinations=places(pacs_port, older, reports=["sr_enhanced", "picture"]),
    )
    image = radiograph(250)
    agent.send(image)
    eventually(lambda: agent.is_in(image, "DELIVERED"))
    (modern,), (old,) = pacs.reports("SR"), older.reports
    assert old.SOPClassUID == EnhancedSRStorage
    assert modern.SOPInstanceUID != old.SOPInstanceUID
    assert modern.SeriesInstanceUID != old.SeriesInstanceUID
    said = highdicom.sr.MeasurementReport.from_sequence([old])
    (group,) = said.get_image_measurement_groups()
    assert group.finding_type.meaning == "Pneumonia"
    assert len(older.received) == 2, "and the picture"


def test_a_report_falls_back_by_itself_where_the_configuration_lists_what_to_send_instead(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any, pacs_port: int, older: OlderPacs
) -> None:
    """Each class is a version with a UID of its own; the PACS that took the first is not touched."""
    agent = start(reports={"sr": {"fall_back": ["comprehensive", "enhanced"]}}, destinations=places(pacs_port, older))
    image = radiograph(250)
    agent.send(image)
    eventually(lambda: agent.is_in(image, "DELIVERED"))
    (modern,), (old,) = pacs.reports("SR"), older.reports
    assert (modern.SOPClassUID, modern.InstanceNumber) == (Comprehensive3DSRStorage, 1)
    assert (old.SOPClassUID, old.InstanceNumber) == (EnhancedSRStorage, 3)
    assert "PredecessorDocumentsSequence" not in old, "it is the same result, said once to each"
    ended = {(row["destination"], row["state"]) for row in agent.record(image).deliveries}
    assert ended == {("pacs", "ACKNOWLEDGED"), ("older", "ACKNOWLEDGED"), ("older", "SUPERSEDED")}


def test_a_report_that_nobody_told_to_fall_back_is_parked(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs_port: int, older: OlderPacs
) -> None:
    agent = start(reports={"sr": {"fall_back": ["comprehensive"]}}, destinations=places(pacs_port, older))
    image = radiograph(20)
    agent.send(image)
    eventually(lambda: agent.row(image) and agent.row(image).deliveries.get("PARKED"))
    assert older.reports == []
