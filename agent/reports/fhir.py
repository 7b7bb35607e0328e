"""A study's result as a FHIR R4 transaction Bundle, valid as R4B too (docs/fhir.md).

Its resources are the same through all versions of the result and are written anew with each, so that a server holds the
last one and keeps the history; the same Bundle sent twice leaves the server as it was after the first.
"""

from typing import Final

from agent.fhir.answer import MEDIA_TYPE as FHIR_JSON
from agent.fhir.bundle import ours, transaction
from agent.reports import fhir_resources as resources
from agent.reports.document import Document, StudyResult
from agent.reports.fhir_identity import Ids, bundle_id
from agent.reports.fhir_settings import Settings
from agent.reports.fhir_study import imaging_study, instant, places, subject

MEDIA_TYPE: Final = FHIR_JSON
SOP_CLASS_UIDS: Final[tuple[str, ...]] = ()


def applies(outcome: str) -> bool:  # noqa: ARG001 - part of the contract
    """Every concluded study has a Bundle: flagged, not flagged, not analysed and failed alike."""
    return True


def render(result: StudyResult, settings: Settings) -> Document:
    """Return the Bundle. Where no Instance of the study can be read, it names no series."""
    ids = Ids(result)
    seen = places(result, settings)
    patient, patient_entries = subject(result, settings, ids.of("Patient"))
    study, study_entries = imaging_study(result, settings, seen, patient, ids.of("ImagingStudy"))
    made = resources.Context(result=result, settings=settings, subject=patient, imaging_study=study, zone=seen.zone)
    device = ours(ids.device, resources.device(made), settings.writing)
    observation = ours(ids.of("Observation"), resources.observation(made, device.reference), settings.writing)
    report = ours(
        ids.of("DiagnosticReport"), resources.diagnostic_report(made, observation.reference), settings.writing
    )
    task = ours(ids.of("Task"), resources.task(made, device.reference, observation.reference), settings.writing)
    said = [observation, report, task]
    provenance = ours(
        ids.of_version("Provenance"),
        resources.provenance(made, device.reference, [entry.reference for entry in said]),
        settings.writing,
    )
    entries = [*patient_entries, *study_entries, device, *said, provenance]
    identifier = bundle_id(result)
    return Document(
        media_type=MEDIA_TYPE,
        data=transaction(identifier, instant(result.concluded_at), entries),
        identifier=identifier,
    )
