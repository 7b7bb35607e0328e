"""The codes that are sent, each with its system as FHIR R4 names it (terminologies-systems.html)."""

from typing import Any, Final

Json = dict[str, Any]

DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED: Final = "http://snomed.info/sct"
UCUM: Final = "http://unitsofmeasure.org"
URI: Final = "urn:ietf:rfc:3986"
DICOM_UID: Final = "urn:dicom:uid"
"""System of a Study Instance UID as identifier (R4, imagingstudy.html, 5.5.3)."""
_HL7: Final = "http://terminology.hl7.org/CodeSystem"


def concept(text: str, *codings: Json) -> Json:
    """Return a CodeableConcept."""
    return {"coding": list(codings), "text": text} if codings else {"text": text}


def coding(system: str, code: str, display: str) -> Json:
    """Return a Coding."""
    return {"system": system, "code": code, "display": display}


AI_ASSERTED: Final = coding(f"{_HL7}/v3-ObservationValue", "AIAST", "Artificial Intelligence asserted")
IMAGING: Final = coding(f"{_HL7}/observation-category", "imaging", "Imaging")
RADIOLOGY: Final = coding(f"{_HL7}/v2-0074", "RAD", "Radiology")
IMAGING_STUDY: Final = coding("http://loinc.org", "18748-4", "Diagnostic imaging study")
ACCESSION: Final = coding(f"{_HL7}/v2-0203", "ACSN", "Accession ID")
MEDICAL_RECORD: Final = coding(f"{_HL7}/v2-0203", "MR", "Medical record number")
AUTHOR: Final = coding(f"{_HL7}/provenance-participant-type", "author", "Author")

PNEUMONIA: Final = coding(SNOMED, "233604007", "Pneumonia")
LUNG: Final = coding(SNOMED, "39607008", "Lung structure")
PRESENT: Final = coding(SNOMED, "52101004", "Present")
UNDETERMINED: Final = coding(SNOMED, "373068000", "Undetermined")
"""Below the operating point, as in the DICOM SR. What would deny the finding is never sent."""

PROBABILITY: Final = coding(DICOM, "122157", "Probability")
ARTIFICIAL_INTELLIGENCE: Final = coding(DICOM, "123110", "Artificial Intelligence")
INTERPRETATION: Final = coding(DICOM, "110005", "Interpretation")

INTERPRETATIONS: Final = {
    "A": coding(f"{_HL7}/v3-ObservationInterpretation", "A", "Abnormal"),
    "POS": coding(f"{_HL7}/v3-ObservationInterpretation", "POS", "Positive"),
}
NO_VALUE: Final = {
    "not_analysed": coding(f"{_HL7}/data-absent-reason", "not-performed", "Not Performed"),
    "failed": coding(f"{_HL7}/data-absent-reason", "error", "Error"),
}
DONE: Final = {
    "new": coding(f"{_HL7}/v3-DataOperation", "CREATE", "create"),
    "again": coding(f"{_HL7}/v3-DataOperation", "UPDATE", "revise"),
    "withdrawn": coding(f"{_HL7}/v3-DataOperation", "NULLIFY", "nullify"),
}
