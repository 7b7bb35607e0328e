"""The modules of PS3.3 that every DICOM report shares: General Study and Series, equipment, SOP Common."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from pydicom.dataset import Dataset

from agent.reports import wording
from agent.reports.document import Code, DicomReportSettings, ReportSettings, StudyResult, zone
from agent.reports.evidence import TIMEZONE_OFFSET, Instance
from agent.reports.identity import MANUFACTURER, PRODUCT, device_uid, report_uid, series_uid

SOURCE_IMAGE: Final = Code(value="121322", scheme="DCM", meaning="Source image for image processing operation")
"""Purpose of reference of an image that another one was made from (PS3.16 CID 7202)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The Series that a report goes to. Without a description it has that of the outcome."""

    modality: str
    number: int
    sop_class_uid: str
    description: str = ""


def begin(result: StudyResult, settings: DicomReportSettings, source: Instance, series: Series) -> Dataset:
    """Return a Dataset with everything but the content of the report, and but what is taken over from `source`."""
    description = series.description or wording.series_description(result)
    local = local_zone(source, settings)
    concluded = result.concluded_at.astimezone(local)
    dataset = Dataset()
    # General Study, General Series (C.7.2.1, C.7.3.1)
    dataset.StudyInstanceUID = result.study_instance_uid
    dataset.Modality = series.modality
    dataset.SeriesInstanceUID = series_uid(
        result.installation, result.study_instance_uid, series.sop_class_uid, description
    )
    dataset.SeriesNumber = series.number
    dataset.SeriesDescription = description
    dataset.InstanceNumber = result.version
    # General Equipment (C.7.5.1)
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = PRODUCT
    dataset.DeviceSerialNumber = wording.plain(result.installation)
    dataset.SoftwareVersions = wording.plain(result.software_version)
    # SOP Common (C.12.1)
    dataset.SOPClassUID = series.sop_class_uid
    dataset.SOPInstanceUID = report_uid(
        result.installation,
        result.study_instance_uid,
        result.revision,
        result.version,
        series.sop_class_uid,
        result.variant,
    )
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date(concluded), time(concluded)
    dataset.TimezoneOffsetFromUTC = concluded.strftime("%z")[:5]
    dataset.ContentDate, dataset.ContentTime = (form(result.analysed_at.astimezone(local)) for form in (date, time))
    dataset.ContributingEquipmentSequence = [_equipment(result, settings, concluded)]
    return dataset


def local_zone(source: Instance, settings: ReportSettings) -> tzinfo:
    """Return the zone of all times in the report: the images', so that the Study Time taken over stays true."""
    try:
        return zone(source.text(TIMEZONE_OFFSET) or settings.timezone)
    except ValueError:
        return zone(settings.timezone)


def date(moment: datetime) -> str:
    """Return the date as VR DA has it."""
    return moment.strftime("%Y%m%d")


def time(moment: datetime) -> str:
    """Return the time of day as VR TM has it."""
    return moment.strftime("%H%M%S.%f")


def coded(code: Code) -> Dataset:
    """Return the item of a code sequence (section 8.8)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme
    item.CodeMeaning = code.meaning
    return item


def reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """Return the item of a sequence that refers to an Instance (table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def hierarchy(study_instance_uid: str, references: Iterable[tuple[str, str, str]]) -> Dataset:
    """Return the item that refers to Instances of one study by Series (table C.17-3).

    `references` are SOP Class, SOP Instance and Series Instance UIDs.
    """
    by_series: dict[str, list[Dataset]] = {}
    for sop_class_uid, sop_instance_uid, series_instance_uid in references:
        by_series.setdefault(series_instance_uid, []).append(reference(sop_class_uid, sop_instance_uid))
    item = Dataset()
    item.StudyInstanceUID = study_instance_uid
    item.ReferencedSeriesSequence = [_series(uid, instances) for uid, instances in by_series.items()]
    return item


def _series(series_instance_uid: str, instances: list[Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = series_instance_uid
    item.ReferencedSOPSequence = instances
    return item


def _equipment(result: StudyResult, settings: DicomReportSettings, concluded: datetime) -> Dataset:
    """Return the algorithm as contributing equipment: it has a Device UID of its own with every change of the model."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [coded(settings.equipment_purpose)]
    item.DeviceSerialNumber = wording.plain(result.installation)
    item.DeviceUID = device_uid(result.installation, result.model)
    item.ContributionDateTime = concluded.strftime("%Y%m%d%H%M%S.%f%z")
    item.Manufacturer = wording.plain(result.model.manufacturer)
    item.ManufacturerModelName = wording.plain(result.model.name)
    item.SoftwareVersions = wording.plain(result.model.version)
    item.ContributionDescription = f"AI triage: {'; '.join(wording.algorithm_parameters(result.model))}"
    return item
