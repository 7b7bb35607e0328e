"""What each answer of a receiver means: the tables hold every number, against a second writing of them."""

from datetime import timedelta

import pytest

from agent.errors import DestinationDownError, Retry
from agent.line.statuses import Verdict, http_refusal, of_dimse, of_hl7, of_http, of_smtp, refusal

NEVER, SOON, SLOWLY = Retry.NEVER, Retry.SOON, Retry.SLOWLY


def dimse(status: int) -> tuple[Retry, bool]:
    """Return the verdict on a status, written down a second time (PS3.4 table B.2-1, PS3.7 annex C)."""
    if status in {0x0111, 0x0122} or 0xA900 <= status <= 0xA9FF or status >> 12 == 0xC:
        return NEVER, False
    if status >> 8 == 0xA7 or status == 0x0124:
        return SLOWLY, True
    return SOON, False


def http(status: int) -> tuple[Retry, bool]:
    """Return the verdict on a status, written down a second time (RFC 9110 15)."""
    if status in {408, 425, 429}:
        return SOON, True
    if status in {401, 403, 404, 405, 407} or status // 100 == 3:
        return SLOWLY, True
    if status in {501, 505, 508, 510}:
        return SLOWLY, False
    return {4: (NEVER, False), 5: (SOON, True)}.get(status // 100, (SOON, False))


def smtp(code: int) -> tuple[Retry, bool]:
    """Return the verdict on a reply code, written down a second time (RFC 5321 4.2, RFC 4954 6)."""
    if code in {421, 450, 451, 452, 454}:
        return SOON, True
    if code in {530, 534, 535, 538}:
        return SLOWLY, True
    return {4: (SOON, False), 5: (NEVER, False)}.get(code // 100, (SOON, False))


def told(verdict: Verdict) -> tuple[Retry, bool]:
    return verdict.retry, verdict.down


def test_every_status_of_dimse_has_its_verdict() -> None:
    assert [status for status in range(0x10000) if told(of_dimse(status)) != dimse(status)] == []


def test_every_status_of_http_has_its_verdict() -> None:
    assert [status for status in range(1200) if told(of_http(status)) != http(status)] == []


def test_every_reply_of_smtp_has_its_verdict() -> None:
    assert [code for code in range(1200) if told(of_smtp(code)) != smtp(code)] == []


@pytest.mark.parametrize(
    ("code", "retry"), [("AE", SOON), ("CE", SOON), ("AR", NEVER), ("CR", NEVER), ("", SOON), ("XX", SOON)]
)
def test_an_error_of_hl7_is_tried_again_and_a_rejection_is_parked(code: str, retry: Retry) -> None:
    assert told(of_hl7(code)) == (retry, False)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": " 90 "}, timedelta(seconds=90)),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 40}, None),
        ({"Retry-After": "Wed, 25 Nov 2026 20:00:30 GMT"}, None),
        (
            {"Retry-After": "Wed, 25 Nov 2026 20:00:30 GMT", "Date": "Wed, 25 Nov 2026 20:00:00 GMT"},
            timedelta(seconds=30),
        ),
        ({"Retry-After": "Wed, 25 Nov 2026 19:00:00 GMT", "Date": "Wed, 25 Nov 2026 20:00:00 GMT"}, timedelta()),
        ({"Retry-After": "Wed, 25 Nov 2026 19:00:00", "Date": "Wed, 25 Nov 2026 20:00:00 GMT"}, None),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone_is_read_by_its_own_clock(
    headers: dict[str, str], wait: timedelta | None
) -> None:
    assert http_refusal("expected. Received", 503, headers).retry_after == wait


def test_a_destination_is_down_where_anything_else_would_meet_the_same() -> None:
    assert isinstance(refusal("m", of_dimse(0xA700), status="A700"), DestinationDownError)
    assert not isinstance(refusal("m", of_dimse(0x0110), status="0110"), DestinationDownError)
    assert refusal("m", of_dimse(0xA700), status="A700").status == "A700"
