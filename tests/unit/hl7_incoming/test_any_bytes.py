"""Whatever bytes come, reading them ends, and they are answered without quoting a patient."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.hl7.answers import ACCEPTED, ERROR, REJECTED, Answer, acknowledged, unreadable
from agent.hl7.errors import MessageError
from agent.hl7.message import parse
from agent.hl7.ordering import groups
from agent.hl7.person import demographics, identifiers, person_name

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GOOD = (
    b"MSH|^~\\&|RIS|HOSP|||2026||ORM^O01|M1|P|2.5.1\rPID|1||P1^^^H&1.2&ISO^MR~P2||Roe^Jane~X^Y^^^^^L^I||20200101|F\r"
    b"MRG|P9^^^H^MR||||||Old^Name\rORC|NW||A1\rTQ1|1||||||||S\rOBR|1||A1||||||||||||||||||||||^^^^^S\rZDS|1.2.3\r"
)


@settings(max_examples=3 * settings.default.max_examples)
@given(
    cuts=st.lists(st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=12), st.integers(0, 8)), max_size=6),
    code=st.sampled_from([ACCEPTED, ERROR, REJECTED]),
)
def test_a_damaged_message_is_read_or_refused_and_answered(cuts: list[tuple[int, bytes, int]], code: str) -> None:
    data = GOOD
    for place, inserted, removed in cuts:
        data = data[:place] + inserted + data[place + removed :]
    try:
        message = parse(data)
    except MessageError:
        assert unreadable(Answer(REJECTED, "no", 100), application="T", facility="", at=NOON)
        return
    for group in groups(message):
        assert len(group.study_instance_uid) <= 64
        assert group.accession_number((("OBR", 18), ("ORC", 3))).isprintable()
        assert isinstance(group.is_final or group.is_cancelled or group.is_completed, bool)
        assert all(one.isupper() or not one.isalpha() for one in group.priorities if one.isascii())
    for pid in message.every("PID"):
        said = demographics(pid)
        assert all("\\" not in value and value.isprintable() for value in said.items().values())
        assert all(0 < len(one.patient_id) <= 64 for one in identifiers(pid, 3, {"MR"}))
    for mrg in message.every("MRG"):
        assert len(person_name(mrg, 7)) <= 3 * 64 + 2
    told = acknowledged(message, Answer(code, "so", 207), application="T", facility="", at=NOON)
    if told is not None:
        answer = parse(told)
        msa = answer.first("MSA")
        assert msa is not None
        assert msa.value(2) == message.control_id
        echoed = "".join(message.header.value(number) for number in (3, 4, 10, 11))  # where damage may have moved it
        assert b"Roe" not in told or "Roe" in echoed


@pytest.mark.parametrize(
    ("accept", "application", "code", "expected"),
    [
        ("", "", "AE", "AE"),
        ("AL", "NE", "AE", "CE"),
        ("ER", "NE", "AR", "CR"),
        ("ER", "NE", "AA", None),
        ("SU", "ER", "AE", "AE"),
        ("NE", "NE", "AR", None),
    ],
)
def test_conditions_of_acknowledgements_are_kept(
    accept: str, application: str, code: str, expected: str | None
) -> None:
    head = f"MSH|^~\\&|A|B|||2026||ADT^A08|M1|P|2.5.1|||{accept}|{application}\r"
    told = acknowledged(parse(head.encode()), Answer(code, ""), application="T", facility="", at=NOON)
    msa = None if told is None else parse(told).first("MSA")
    assert (None if msa is None else msa.value(1)) == expected
