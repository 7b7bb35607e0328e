"""A study is found by a part of any word of its name or description and by its numbers, whatever changes them."""

from typing import Any

import pytest
from sqlalchemy import insert, select

from db.archive import find_studies
from db.archive_columns import Like
from db.messages import ArrivedMessage, Books, MessageOutcome, Rules, carry_out
from db.patient_match import Demographics, Identifier
from db.reading import record_read
from db.schema.domain import study
from db.schema.search import new_word, study_word, word_part
from db.search import search_studies
from db.search_index import take_apart
from db.search_words import parts_of, words_of

STUDIES = {
    "1.1": {"patient_name": "Müller-Lüdenscheidt^Jürgen", "patient_id": "P1", "study_description": "Chest PA"},
    "1.2": {"patient_name": "Yamada^Tarou=山田^太郎", "patient_id": "p 2", "accession_number": "A-77"},
    "1.3": {"patient_name": "OBERHUBER^MARIA", "patient_id": "P3", "study_description": "Portable Chest"},
    "1.4": {"patient_name": "", "patient_id": ""},
}


@pytest.fixture
def held(ledger: Any) -> Any:
    for uid, said in STUDIES.items():
        ledger.receive(study_instance_uid=uid, sop_instance_uid=f"{uid}.1", **said)
    return ledger


def found(ledger: Any, typed: str) -> list[str]:
    """Return the studies that are found, the same whether new words have been taken apart or not."""
    rows = search_studies(ledger.database, typed).rows
    is_true(ledger)
    take_apart(ledger.database)
    assert is_true(ledger) == set()
    assert search_studies(ledger.database, typed).rows == rows
    return [row.study_instance_uid for row in rows]


def is_true(ledger: Any) -> set[str]:
    """Check that the words on record are those of the studies' rows, and the parts those of the words but new ones."""
    with ledger.database.read() as connection:
        rows = connection.execute(select(study.c.id, study.c.patient_name, study.c.study_description)).all()
        words = {tuple(row) for row in connection.execute(select(study_word.c.study_id, study_word.c.word))}
        parts = [tuple(row) for row in connection.execute(select(word_part.c.part, word_part.c.word))]
        new = list(connection.scalars(select(new_word.c.word)))
    assert words == {(row.id, word) for row in rows for word in words_of(row.patient_name, row.study_description)}
    apart = {word for _, word in words}.difference(new)
    assert sorted(parts) == sorted((part, word) for word in apart for part in parts_of(word))
    assert set(new) <= {word for _, word in words}
    assert len(new) == len(set(new))
    return set(new)


FOUND = [
    ("müller", ["1.1"]),
    ("MULLER", ["1.1"]),
    ("jurgen luden", ["1.1"]),
    ("Lüdenscheidt, Jürgen", ["1.1"]),
    ("huber", ["1.3"]),
    ("huber mar", ["1.3"]),
    ("chest", ["1.3", "1.1"]),
    ("chest mari", ["1.3"]),
    ("a che", ["1.3", "1.1"]),
    ("山", ["1.2"]),
    ("太郎", ["1.2"]),
    ("P1", ["1.1"]),
    ("p1", ["1.1"]),
    ("P1 müller", ["1.1"]),
    ("P1 maria", []),
    ("p 2", ["1.2"]),
    ("A-77", ["1.2"]),
    ("a-77", ["1.2"]),
    ("1.3", ["1.3"]),
    ("müller maria", []),
    ("%", []),
    ("_", []),
    ("", []),
    ("  ", []),
    ("'", []),
    ("- &", []),
    ("huber - mar", ["1.3"]),
    ("Müller & Jürgen", ["1.1"]),
]


def test_a_study_is_found_by_what_it_has(held: Any) -> None:
    assert [(typed, found(held, typed)) for typed, _ in FOUND] == FOUND


def test_of_many_the_newest_come_first_page_by_page_read_or_not(ledger: Any) -> None:
    for number in range(5):
        ledger.receive(study_instance_uid=f"1.{number}", sop_instance_uid=f"1.{number}.1")
    with ledger.database.begin() as connection:
        record_read(connection, 2, how="report", at=ledger.now)
    first = search_studies(ledger.database, "doe", limit=3)
    assert [row.study_instance_uid for row in first.rows] == ["1.4", "1.3", "1.2"]
    rest = search_studies(ledger.database, "doe", limit=3, before=first.before)
    assert [row.study_instance_uid for row in rest.rows] == ["1.1", "1.0"]
    assert (rest.before, rest.rows[0].read_how) == (None, "report")


def test_what_a_later_image_says_is_found(ledger: Any) -> None:
    ledger.receive(patient_name="")
    assert found(ledger, "doe") == []
    ledger.receive(study_description="Thorax")
    assert found(ledger, "doe thorax") == ["1.2.3"]


def test_a_word_is_new_until_it_was_taken_apart_and_to_no_later_study(ledger: Any) -> None:
    ledger.receive(patient_name="Doe^Jane")
    ledger.receive(study_instance_uid="1.9", sop_instance_uid="1.9.1", patient_name="Doe^John")
    assert is_true(ledger) == {"doe", "jane", "john"}
    take_apart(ledger.database)
    ledger.receive(study_instance_uid="1.8", sop_instance_uid="1.8.1", patient_name="Doe^Zoe")
    assert is_true(ledger) == {"zoe"}


def test_a_new_word_is_taken_apart_once_and_only_if_a_study_has_it(ledger: Any) -> None:
    """Two studies may bring one at once; an agent of the version before forgets words without looking here."""
    ledger.receive(patient_name="Doe^Jane")
    for word in ("doe", "gone"):
        with ledger.database.begin() as connection:
            connection.execute(insert(new_word).values(word=word))
    take_apart(ledger.database)
    with ledger.database.begin() as connection:
        connection.execute(insert(new_word).values(word="doe"))
    take_apart(ledger.database)
    assert is_true(ledger) == set()


@pytest.mark.parametrize("is_apart", [False, True])
def test_of_a_name_that_nobody_has_any_more_no_word_stays(ledger: Any, *, is_apart: bool) -> None:
    ledger.receive(patient_name="Doe^Jane", patient_id="P3")
    if is_apart:
        take_apart(ledger.database)
    correct(ledger, "Roe^Marianne")
    assert is_true(ledger) == {"marianne", "roe"}


def correct(ledger: Any, name: str) -> None:
    def work(books: Books) -> MessageOutcome:
        books.correction.update_patient([Identifier("P3")], Demographics(patient_name=name))
        return MessageOutcome(answer="AA", error_code=None, detail="")

    message = ArrivedMessage(sender="RIS|", control_id="1", sha256="1", kind="ADT^A08")
    carry_out(ledger.database, ledger.queue, message, Rules(), work, at=ledger.now)


def test_who_was_corrected_is_found_by_the_new_name_only(held: Any) -> None:
    correct(held, "Roe^Marianne")
    assert found(held, "oberhuber") == []
    assert found(held, "roe portable") == ["1.3"]


def test_peers_find_by_names_what_they_found_before(held: Any) -> None:
    def names(*fragments: str) -> list[object]:
        criteria = {"patient_name": Like(fragments)}
        return [one.attributes["study_instance_uid"] for one in find_studies(held.database, criteria)]

    assert names("huber") == names("OBER", "ria") == names("Oberhuber^", "Maria") == ["1.3"]
    assert names("Müll") == ["1.1"]
    assert names("山") == ["1.2"]
    assert names("nobody") == []
    assert names("^") == ["1.3", "1.2", "1.1"]
