"""Whose study it is, and which: Patient and ImagingStudy, which belong to others and are found rather than written."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from agent.fhir import values
from agent.fhir.bundle import Entry, found_or_made, ours, query
from agent.fhir.terms import ACCESSION, DICOM, DICOM_UID, MEDICAL_RECORD, URI, Json, concept
from agent.reports.document import ReportError, StudyResult, zone
from agent.reports.evidence import MODALITY, Instance, gather
from agent.reports.fhir_settings import Settings
from agent.reports.modules import local_zone

_OID: Final = "urn:oid:"
_UNKNOWN: Final = "Patient without a Patient ID"


@dataclass(frozen=True, slots=True)
class Places:
    """What the study's Instances say: in which zone their times are, and which they are."""

    zone: tzinfo
    instances: tuple[Instance, ...]


def places(result: StudyResult, settings: Settings) -> Places:
    """Return what the Instances say, as far as they can be read."""
    try:
        evidence = gather(result)
    except ReportError:
        return Places(zone(settings.timezone), ())
    return Places(local_zone(evidence.source, settings), evidence.references)


def instant(moment: datetime) -> str:
    """Return a time as a FHIR instant."""
    return moment.isoformat()


def subject(result: StudyResult, settings: Settings, id_: str) -> tuple[Json, list[Entry]]:
    """Return a reference to the patient, and the entry that it refers to if there is one.

    A Patient ID whose system is not configured is never searched for: two patients may have it.
    """
    facts = result.study
    number, issuer = values.plain(facts.patient_id), values.plain(facts.issuer_of_patient_id)
    if not number:
        return {"type": "Patient", "display": _UNKNOWN}, []
    system = settings.patient_id_systems.get(issuer, "") if issuer else settings.patient_id_system
    identifier: Json = {"type": concept("Patient ID", MEDICAL_RECORD)}
    identifier |= {"system": system} if system else {}
    identifier |= {"value": number} | ({"assigner": {"display": issuer}} if issuer else {})
    if settings.patient == "identifier" or not system:
        return {"type": "Patient", "identifier": identifier}, []
    if settings.patient == "search":
        return {"reference": query("Patient", system, number)}, []
    entry = found_or_made(id_, _patient(result, identifier), system, number)
    return entry.reference, [entry]


def _patient(result: StudyResult, identifier: Json) -> Json:
    facts = result.study
    patient: Json = {"resourceType": "Patient", "identifier": [identifier]}
    if names := values.names(facts.patient_name):
        patient["name"] = names
    patient["gender"] = values.gender(facts.patient_sex)
    if born := values.day(facts.patient_birth_date):
        patient["birthDate"] = born
    return patient


def imaging_study(
    result: StudyResult, settings: Settings, seen: Places, patient: Json, id_: str
) -> tuple[Json, list[Entry]]:
    """Return a reference to the study, and the entry that it refers to if there is one."""
    identifier = {"system": DICOM_UID, "value": f"{_OID}{result.study_instance_uid}"}
    if settings.imaging_study == "identifier":
        return {"type": "ImagingStudy", "identifier": identifier}, []
    resource: Json = {
        "resourceType": "ImagingStudy",
        "identifier": [identifier],
        "status": "available",
        **_described(result, seen),
        "subject": patient,
    }
    if started := values.moment(result.study.study_date, result.study.study_time, seen.zone):
        resource["started"] = started
    if order := service_request(result, settings.accession_system):
        resource["basedOn"] = [order]
    if settings.imaging_study == "find":
        entry = found_or_made(id_, resource, identifier["system"], identifier["value"])
    else:
        entry = ours(id_, resource | _series(seen.instances), settings.writing)
    return entry.reference, [entry]


def service_request(result: StudyResult, system: str) -> Json | None:
    """Return a reference to the order by its accession number, None where it has none."""
    accession = values.plain(result.study.accession_number)
    if not accession:
        return None
    identifier: Json = {"type": concept("Accession number", ACCESSION)}
    identifier |= {"system": system} if system else {}
    return {"type": "ServiceRequest", "identifier": identifier | {"value": accession}}


def _described(result: StudyResult, seen: Places) -> Json:
    modalities = [instance.text(MODALITY) for instance in seen.instances] or [values.plain(result.study.modality)]
    described: Json = {}
    if codes := list(dict.fromkeys(filter(None, modalities))):
        described["modality"] = [{"system": DICOM, "code": code} for code in codes]
    if text := values.plain(result.study.study_description):
        described["description"] = text
    return described


def _series(instances: tuple[Instance, ...]) -> Json:
    by_series: dict[str, list[Instance]] = {}
    for instance in instances:
        by_series.setdefault(instance.series_instance_uid, []).append(instance)
    if not by_series:
        return {}
    return {
        "series": [
            {
                "uid": uid,
                "modality": {"system": DICOM, "code": those[0].text(MODALITY) or "OT"},
                "instance": [
                    {"uid": one.sop_instance_uid, "sopClass": {"system": URI, "code": f"{_OID}{one.sop_class_uid}"}}
                    for one in those
                ],
            }
            for uid, those in by_series.items()
        ]
    }
