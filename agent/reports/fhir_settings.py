"""The settings of the FHIR Bundle."""

from typing import Literal

from pydantic import Field

from agent.reports.document import ReportSettings


class Settings(ReportSettings):
    """How the FHIR Bundle is made."""

    writing: Literal["id", "identifier"] = Field(
        default="id",
        description="How the agent's own resources are written: PUT under ids that the agent derives, or, for a server "
        "that gives all ids itself, PUT by identifier (conditional update).",
    )
    patient: Literal["identifier", "search", "create"] = Field(
        default="identifier",
        description="How the patient is referred to: by identifier alone; as the one Patient of the server that has "
        "it (without one the server refuses); or as that one, made if there is none.",
    )
    patient_id_system: str = Field(
        default="",
        examples=["urn:oid:1.2.276.0.76.3.1.999"],
        description="System (URI) of Patient IDs without an issuer; empty: they are referred to by identifier only.",
    )
    patient_id_systems: dict[str, str] = Field(
        default_factory=dict, description="Systems (URIs) of Patient IDs by their issuer (0010,0021)."
    )
    accession_system: str = Field(
        default="", examples=["urn:oid:1.2.276.0.76.3.1.998"], description="System (URI) of accession numbers."
    )
    imaging_study: Literal["find", "own", "identifier"] = Field(
        default="find",
        description="The ImagingStudy: the one that the server has, made if there is none and never changed; one of "
        "the agent's own, with all series and images; or none, referred to by the Study Instance UID alone.",
    )
    interpretation: Literal["A", "POS"] = Field(
        default="A", description="Interpretation of a flagged study: abnormal or positive. No other has one."
    )
    medium_priority: Literal["urgent", "asap"] = Field(
        default="urgent", description="Task priority of MEDIUM; HIGH is stat, LOW is routine."
    )
    probability_when_not_flagged: bool = Field(
        default=False, description="Also give the probability of studies that are not flagged."
    )
