"""Criteria of the archive's queries as conditions of SQL; and the columns that attributes stand in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, and_

from db.schema.domain import instance, study


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The attribute is one of these."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The attribute is not empty and lies between two texts, both included; "" is no limit."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Like:
    """The attribute holds these fragments one after another, in whatever case and with anything between them."""

    fragments: tuple[str, ...]


Criterion: TypeAlias = AnyOf | Between | Like
Criteria: TypeAlias = Mapping[str, Criterion]
"""What each attribute has to be, by PS3.6 keyword in snake_case. What is not known by that name narrows nothing."""

Columns: TypeAlias = Mapping[str, ColumnElement[Any]]

STUDY_COLUMNS: Columns = {
    name: study.c[name]
    for name in (
        "study_instance_uid",
        "study_date",
        "study_time",
        "accession_number",
        "study_id",
        "study_description",
        "referring_physician_name",
        "patient_name",
        "patient_id",
        "issuer_of_patient_id",
        "patient_birth_date",
        "patient_sex",
        "patient_age",
    )
}
SERIES_COLUMNS: Columns = {
    name: instance.c[name]
    for name in (
        "series_instance_uid",
        "modality",
        "series_number",
        "series_description",
        "series_date",
        "series_time",
        "performed_procedure_step_start_date",
        "performed_procedure_step_start_time",
        "body_part_examined",
        "laterality",
        "protocol_name",
        "station_name",
    )
}
INSTANCE_COLUMNS: Columns = {
    "available_transfer_syntax_uid": instance.c.transfer_syntax_uid,
    **{
        name: instance.c[name]
        for name in (
            "sop_instance_uid",
            "sop_class_uid",
            "instance_number",
            "content_date",
            "content_time",
            "image_type",
            "rows",
            "columns",
            "bits_allocated",
            "number_of_frames",
        )
    },
}


def conditions(criteria: Criteria, columns: Columns) -> list[ColumnElement[bool]]:
    """Return what SQL is to ask of those of the `columns` that the criteria speak of."""
    return [_condition(columns[name], criterion) for name, criterion in criteria.items() if name in columns]


def _condition(column: ColumnElement[Any], criterion: Criterion) -> ColumnElement[bool]:
    match criterion:
        case AnyOf(values=(value,)):
            return column == value
        case AnyOf(values=values):
            return column.in_(values)
        case Between(low=low, high=high):
            limits = [column >= low] if low else [column > ""]
            return and_(*limits, *([column <= high] if high else []))
    return column.ilike("".join(f"%{_loose(fragment)}" for fragment in criterion.fragments) + "%")


def _loose(fragment: str) -> str:
    """Let anything stand for what the databases fold differently, or what LIKE takes for its own."""
    return "".join(character if character.isascii() and character not in "\\%" else "%" for character in fragment)
