"""What the agent holds, asked by Study, Series and Instance, on SQLite and PostgreSQL."""

import itertools
from collections.abc import Callable
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.dialects import postgresql, sqlite

from agent.archive import criteria, find
from db.archive import STUDIES_AT_ONCE, held_by_uid, held_instances, study_query
from db.archive_columns import AnyOf
from db.database import Database
from db.intake import Recorded, Role
from db.schema.domain import instance
from dicom_io.matching import make_query
from dicom_io.query_keys import Level

Receive = Callable[..., Recorded]


def found(database: Database, level: Level, name: str, **keys: str) -> list[str]:
    return [held.text(name) for held in find(database, level, make_query(keys))]


def test_a_study_adds_up_what_its_instances_say(database: Database, receive: Receive) -> None:
    receive(accession_number="A1", study_date="20260101")
    receive(series_instance_uid="1.2.3.2", modality="DX", sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1")
    receive(series_instance_uid="1.2.3.2", modality="DX", sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1")
    (study,) = find(database, Level.STUDY, make_query({"patient_id": "P1"}))
    assert study.attributes["modalities_in_study"] == ("CR", "DX")
    assert study.attributes["sop_classes_in_study"] == ("1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1")
    assert study.attributes["number_of_study_related_series"] == 2
    assert study.attributes["number_of_study_related_instances"] == 3
    assert study.attributes["accession_number"] == "A1"


def test_a_series_and_an_instance_tell_of_what_is_above_them(database: Database, receive: Receive) -> None:
    receive(series_number="1", instance_number="7", rows=64, columns=48, image_type="ORIGINAL\\PRIMARY")
    receive(series_instance_uid="1.2.3.2", series_number="2", series_description="lateral", modality="DX")
    series = list(find(database, Level.SERIES, make_query({"study_instance_uid": "1.2.3"})))
    assert [one.attributes["series_number"] for one in series] == ["1", "2"]
    assert [one.attributes["number_of_series_related_instances"] for one in series] == [1, 1]
    assert {one.attributes["patient_name"] for one in series} == {"Doe^John"}
    (image,) = find(database, Level.IMAGE, make_query({"study_instance_uid": "1.2.3", "instance_number": "7"}))
    assert (image.attributes["rows"], image.attributes["columns"], image.attributes["image_type"]) == (
        64,
        48,
        "ORIGINAL\\PRIMARY",
    )
    assert (image.attributes["series_number"], image.attributes["patient_id"]) == ("1", "P1")
    assert found(database, Level.SERIES, "series_number", study_instance_uid="1.2.3", modality="D*") == ["2"]
    assert found(database, Level.STUDY, "study_instance_uid", modalities_in_study="DX") == ["1.2.3"]
    assert found(database, Level.STUDY, "study_instance_uid", modalities_in_study="CT") == []


def test_what_is_kept_apart_is_not_held(database: Database, receive: Receive) -> None:
    """A duplicate, a conflict and what is not yet compared: neither found nor handed out nor counted."""
    first = receive(sop_instance_uid="1.2.3.9")
    for role in (Role.UNVERIFIED, Role.DUPLICATE, Role.CONFLICT):
        other = receive(sop_instance_uid="1.2.3.9")
        with database.begin() as connection:
            connection.execute(update(instance).where(instance.c.id == other.instance_id).values(role=role))
    receive(study_instance_uid="1.2.4", sop_instance_uid="1.2.3.9")
    assert found(database, Level.STUDY, "number_of_study_related_instances") == ["1"]
    assert len(found(database, Level.IMAGE, "sop_instance_uid", sop_instance_uid="1.2.3.9")) == 1
    assert [one.id for one in held_instances(database, {"study_instance_uid": AnyOf(("1.2.3",))})] == [
        first.instance_id
    ]
    assert held_by_uid(database, ["1.2.3.9", "1.2.3.10"])["1.2.3.9"].id == first.instance_id


def test_of_an_own_report_that_came_back_changed_the_one_that_was_written_is_held(
    database: Database, receive: Receive
) -> None:
    ids = [receive(sop_instance_uid="1.2.3.9").instance_id for _ in range(2)]
    with database.begin() as connection:
        connection.execute(update(instance).values(role=Role.OWN))
    assert [one.id for one in held_by_uid(database, ["1.2.3.9"]).values()] == ids[:1]
    assert found(database, Level.STUDY, "number_of_study_related_instances") == ["1"]


def test_more_studies_than_a_page_come_once_each_the_newest_first(database: Database, receive: Receive) -> None:
    count = STUDIES_AT_ONCE + 7
    for number in range(count):
        receive(study_instance_uid=f"1.3.{number}", series_instance_uid=f"1.3.{number}.1", patient_id=f"P{number}")
    assert found(database, Level.STUDY, "patient_id") == [f"P{number}" for number in reversed(range(count))]
    assert len(found(database, Level.SERIES, "patient_id", patient_id="P1*")) == sum(
        str(number).startswith("1") for number in range(count)
    )


NAMES = ("Doe^John", "DOE^JANE", "M\u00fcller^J\u00f6rg", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", "100%_x\\y", "")
KEYS: dict[str, tuple[str, ...]] = {
    "patient_name": ("doe*", "D?E^J*", "M\u00dcLLER^*", "*\u5c71*", "100%*", "*_x*", "doe^john^^", "?*"),
    "patient_id": ("P1", "P*", "p1", "P1\\P2", "*2"),
    "study_date": ("20260101", "20260101-20260102", "-20251231", "20260102-"),
    "study_time": ("10", "10-12", "-0930"),
    "modalities_in_study": ("CR", "C*", "SR\\DX"),
    "accession_number": ("A1", "a1", "A?"),
}


def test_sql_narrows_and_never_leaves_out_what_matches(database: Database, receive: Receive) -> None:
    """Over every pair of keys, what is found is what matches among all."""
    for number, name in enumerate(NAMES * 2):
        receive(
            study_instance_uid=f"1.4.{number}",
            patient_name=name,
            patient_id=("P1", "P2", "Q2", "")[number % 4],
            study_date=("20251231", "20260101", "20260102", "")[number % 4],
            study_time=("093000", "1015", "12", "")[number // 3 % 4],
            accession_number=("A1", "A2", "")[number % 3],
            modality=("CR", "DX", "SR", "")[number // 2 % 4],
        )
    every = list(find(database, Level.STUDY, make_query({})))
    assert len(every) == 2 * len(NAMES)
    single = [{name: key} for name, keys in KEYS.items() for key in keys]
    for one, other in itertools.combinations_with_replacement(single, 2):
        if one.keys() == other.keys() and one != other:
            continue  # the second alone, which comes with itself
        query = make_query(one | other)
        expected = [held for held in every if query.fulfilled_by(held.attributes)]
        if "study_date" in one | other:
            expected.sort(key=lambda held: held.text("study_date"), reverse=True)
        uids = [held.text("study_instance_uid") for held in expected]
        assert [held.text("study_instance_uid") for held in find(database, Level.STUDY, query)] == uids, one | other


MAIN_QUERIES: tuple[tuple[dict[str, str], tuple[str, ...]], ...] = (
    ({"study_instance_uid": "1.4.7"}, ("study_instance_uid", "sqlite_autoindex_study")),
    ({"patient_id": "P7"}, ("ix_study_patient_id",)),
    ({"accession_number": "A7"}, ("ix_study_accession_number",)),
    ({"study_date": "20260101-20260102"}, ("ix_study_study_date",)),
    ({"sop_instance_uid": "1.4.7.8"}, ("ix_instance_sop_instance_uid",)),
)


def test_the_main_queries_are_answered_by_index(database: Database, receive: Receive) -> None:
    """With a few hundred studies and their statistics: of a handful PostgreSQL may rightly read them all."""
    for number in range(300):
        receive(
            study_instance_uid=f"1.4.{number}",
            patient_id=f"P{number}",
            accession_number=f"A{number}",
            study_date=f"20{number // 12 + 1:02}{number % 12 + 1:02}01",
        )
    dialect: Any = sqlite.dialect() if database.dialect == "sqlite" else postgresql.dialect()
    explain, scan = (
        ("EXPLAIN QUERY PLAN", "SCAN study") if database.dialect == "sqlite" else ("EXPLAIN", "Seq Scan on study")
    )
    with database.begin() as connection:
        connection.execute(text("ANALYZE"))
        for keys, indexes in MAIN_QUERIES:
            query = study_query(criteria(make_query(keys)))
            sql = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
            plan = " ".join(str(tuple(row)) for row in connection.execute(text(f"{explain} {sql}")))
            assert scan not in plan, keys
            assert any(index in plan for index in indexes), plan
