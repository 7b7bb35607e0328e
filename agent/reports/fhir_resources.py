"""What the agent says of a study in FHIR: Observation, DiagnosticReport, Task, Device, Provenance (R4).

All of it is preliminary and asserted by an artificial intelligence. Nothing says that a finding is not there.
"""

from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from agent.fhir import terms, values
from agent.fhir.terms import Json, concept
from agent.reports import wording
from agent.reports.document import FLAGGED, NOT_FLAGGED, StudyResult
from agent.reports.fhir_settings import Settings
from agent.reports.fhir_study import instant, service_request
from agent.reports.identity import PRODUCT, device_uid

_READ: Final = {
    FLAGGED: "Read: AI-flagged suspected pneumonia",
    NOT_FLAGGED: "Read: processed by AI, not flagged; this does not exclude disease",
    "not_analysed": "Read: not analysed by AI",
    "failed": "Read: AI analysis failed",
}
_PRIORITIES: Final = {"HIGH": "stat", "MEDIUM": "", "LOW": "routine"}
"""Of the UPS (PS3.3 C.30.2, where HIGH is a STAT request) as FHIR has them (request-priority)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the resources are made from."""

    result: StudyResult
    settings: Settings
    subject: Json
    imaging_study: Json
    zone: tzinfo

    @property
    def based_on(self) -> Json:
        """The order, where the study has an accession number."""
        order = service_request(self.result, self.settings.accession_system)
        return {} if order is None else {"basedOn": [order]}

    @property
    def effective(self) -> str:
        """When what is spoken of was so: the time of the study, or of the analysis if it says none."""
        facts = self.result.study
        return values.moment(facts.study_date, facts.study_time, self.zone) or instant(self.result.analysed_at)

    @property
    def sentences(self) -> str:
        """The result in words, with what it does not mean."""
        return " ".join(wording.summary(self.result))


def observation(made: Context, device: Json) -> Json:
    """Return what was found: present where the study is flagged, undetermined or without a value elsewhere."""
    result = made.result
    resource: Json = {
        "resourceType": "Observation",
        **_asserted_by_ai(),
        **made.based_on,
        "status": "entered-in-error" if result.withdrawn else "preliminary",
        "category": [concept("Imaging", terms.IMAGING)],
        "code": concept("Pneumonia (AI triage)", terms.PNEUMONIA),
        "subject": made.subject,
        "effectiveDateTime": made.effective,
        "issued": instant(result.concluded_at),
        **_value(made),
        "note": [{"text": made.sentences}],
        "bodySite": concept("Lung", terms.LUNG),
        "method": concept(_algorithm(result), terms.ARTIFICIAL_INTELLIGENCE),
        "device": device,
        "derivedFrom": [made.imaging_study],
    }
    if result.probability is not None and (result.outcome == FLAGGED or made.settings.probability_when_not_flagged):
        number = {"value": wording.measured(result.probability), "unit": "1", "system": terms.UCUM, "code": "1"}
        resource["component"] = [{"code": concept("Probability", terms.PROBABILITY), "valueQuantity": number}]
    return resource


def diagnostic_report(made: Context, observation_: Json) -> Json:
    """Return the report in words."""
    result = made.result
    return {
        "resourceType": "DiagnosticReport",
        **_asserted_by_ai(),
        **made.based_on,
        "status": "entered-in-error" if result.withdrawn else "preliminary",
        "category": [concept("Radiology", terms.RADIOLOGY)],
        "code": concept("AI triage of a chest radiograph", terms.IMAGING_STUDY),
        "subject": made.subject,
        "effectiveDateTime": made.effective,
        "issued": instant(result.concluded_at),
        "result": [observation_],
        "imagingStudy": [made.imaging_study],
        "conclusion": made.sentences,
    }


def task(made: Context, device: Json, observation_: Json) -> Json:
    """Return the request to read the study, at the study's priority; a withdrawn one cancels it."""
    result = made.result
    withdrawn: Json = {"statusReason": concept(wording.reason(result.reason))} if result.withdrawn else {}
    return {
        "resourceType": "Task",
        **_asserted_by_ai(),
        **made.based_on,
        "status": "cancelled" if result.withdrawn else "requested",
        **withdrawn,
        "intent": "proposal",
        "priority": _PRIORITIES[result.study.priority] or made.settings.medium_priority,
        "code": concept("Interpretation", terms.INTERPRETATION),
        "description": _READ[result.outcome],
        "focus": made.imaging_study,
        "for": made.subject,
        "lastModified": instant(result.concluded_at),
        "requester": device,
        "reasonReference": observation_,
        "note": [{"text": made.sentences}],
    }


def device(made: Context) -> Json:
    """Return the algorithm: another Device with every change of model, operating point or this software."""
    result, model = made.result, made.result.model
    uid = device_uid(result.installation, model)
    resource: Json = {
        "resourceType": "Device",
        "identifier": [values.uri_identifier(f"urn:oid:{uid}")],
        "status": "active",
        "manufacturer": wording.plain(model.manufacturer),
        "serialNumber": wording.plain(result.installation),
        "deviceName": [{"name": PRODUCT, "type": "user-friendly-name"}],
        "type": concept("Software for AI triage of radiographs", terms.ARTIFICIAL_INTELLIGENCE),
        "note": [{"text": wording.AID}],
    }
    resource["deviceName"].append({"name": wording.plain(model.name), "type": "model-name"})
    resource["modelNumber"] = wording.plain(model.name)
    versions = [("Tibabu", result.software_version), ("model", model.version)]
    resource["property"] = [
        {"type": concept("Operating point"), "valueCode": [concept(wording.plain(model.operating_point_name))]},
        {
            "type": concept("Threshold of the probability"),
            "valueQuantity": [{"value": model.threshold, "unit": "1", "system": terms.UCUM, "code": "1"}],
        },
        {"type": concept("SHA-256 of the weights"), "valueCode": [concept(wording.plain(model.sha256))]},
    ]
    found = [{"type": concept(what), "value": wording.plain(value)} for what, value in versions if value]
    return resource | ({"version": found} if found else {})


def provenance(made: Context, device_: Json, targets: list[Json]) -> Json:
    """Return who said it, when, and from what."""
    result = made.result
    done = "withdrawn" if result.withdrawn else "again" if max(result.revision, result.version) > 1 else "new"
    return {
        "resourceType": "Provenance",
        **_asserted_by_ai(),
        "target": targets,
        "occurredDateTime": instant(result.analysed_at),
        "recorded": instant(result.concluded_at),
        "activity": concept(terms.DONE[done]["display"], terms.DONE[done]),
        "agent": [{"type": concept("Author", terms.AUTHOR), "who": device_}],
        "entity": [{"role": "source", "what": made.imaging_study}],
    }


def _asserted_by_ai() -> Json:
    return {"meta": {"security": [terms.AI_ASSERTED]}}


def _value(made: Context) -> Json:
    result = made.result
    first = wording.summary(result)[0]
    if result.outcome == FLAGGED:
        return {
            "valueCodeableConcept": concept(first, terms.PRESENT),
            "interpretation": [concept("Flagged", terms.INTERPRETATIONS[made.settings.interpretation])],
        }
    if result.outcome == NOT_FLAGGED:
        return {"valueCodeableConcept": concept(f"{first} {wording.NO_RULE_OUT}", terms.UNDETERMINED)}
    return {"dataAbsentReason": concept(first, terms.NO_VALUE[result.outcome])}


def _algorithm(result: StudyResult) -> str:
    name, version = wording.plain(result.model.name), wording.plain(result.model.version)
    return f"{name} {version}, operating point {wording.operating_point(result.model)}"
