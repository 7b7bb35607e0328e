"""Codes of an app: RFC 6238's own, in their time; recovery codes at random, however they are typed."""

from datetime import UTC, datetime

import pytest

from agent.web import codes

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # noqa: S105 - of RFC 6238, appendix B


@pytest.mark.parametrize(("seconds", "code"), [(1234567890, "005924"), (1111111109, "081804"), (20000000000, "353130")])
def test_the_codes_of_the_rfc_are_right_in_their_time_step_and_one_beside_it(seconds: int, code: str) -> None:
    step = seconds // 30
    for beside in (-30, 0, 30):
        assert codes.step_of(SECRET, code, datetime.fromtimestamp(seconds + beside, UTC)) == step
    for away in (-90, 90):
        assert codes.step_of(SECRET, code, datetime.fromtimestamp(seconds + away, UTC)) is None


@pytest.mark.parametrize("typed", ["", "28708", "2870821", "28708x", "٢٨٧٠٨٢", "000000"])
def test_nothing_else_is_a_code(typed: str) -> None:
    assert codes.step_of(SECRET, typed, datetime.fromtimestamp(59, UTC)) is None


def test_a_code_may_be_typed_with_blanks() -> None:
    assert codes.step_of(SECRET, " 287 082 ", datetime.fromtimestamp(59, UTC)) == 1


def test_a_recovery_code_is_recognised_however_it_is_typed() -> None:
    made = codes.new_recovery_codes()
    assert len(set(made)) == 10
    for code in made:
        assert codes.looks_like_recovery(code)
        assert codes.recovery_digest(code) == codes.recovery_digest(code.upper().replace("-", " "))
    assert not codes.looks_like_recovery("123 456")


def test_a_qr_code_is_drawn_without_anything_that_runs_or_styles() -> None:
    drawn = codes.qr_code(codes.uri(codes.new_secret(), account="jane@site", site="Tibabu"))
    assert drawn.startswith("<svg ")
    assert not [word for word in ("script", "style=", "href", " on") if word in drawn]
