"""The rule language: what it says, what it refuses and where, and that no text and no value can hurt it."""

import fnmatch
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.forwarding.fields import FIELDS, LONGEST_VALUE
from agent.forwarding.language import DEEPEST, LONGEST_RULE, LONGEST_TEXT, RuleError, parse
from agent.forwarding.tree import All, AnyOf, Comparison, Condition, Not, decide, fields_of
from dicom_io.wildcards import fits

FACTS = {
    "calling_ae_title": "XRAY1",
    "modality": "DX",
    "body_part_examined": "CHEST_AP",
    "study_description": "Thorax pa",
    "outcome": "flagged",
}


def holds(rule: str, **facts: str) -> bool:
    return decide(parse(rule), FACTS | facts).holds


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "   ",
        'modality == "DX"',
        "modality == 'DX'",
        'modality != "CT"',
        'modality in ("CR", "DX")',
        'modality in "DX"',
        'modality not in ("CT", "MR")',
        'body_part_examined like "CHEST*"',
        'body_part_examined like ("ABD*", "CHEST?AP")',
        'body_part_examined not like "*KNEE*"',
        'not modality == "CT"',
        'not not modality == "DX"',
        'not (modality == "CT" or modality == "MR")',
        'modality == "CT" or modality == "DX" and calling_ae_title == "XRAY1"',
        """calling_ae_title == "XRAY1" and modality in ("CR","DX") and body_part_examined like "CHEST*"
        and outcome == "flagged"
        """,
    ],
)
def test_these_hold_of_a_flagged_chest_from_xray1(rule: str) -> None:
    assert holds(rule)


@pytest.mark.parametrize(
    "rule",
    [
        'modality == "CT"',
        'modality != "DX"',
        'modality == "dx"',
        'modality like "D"',
        'calling_ae_title == "xray1"',
        '(modality == "CT" or modality == "DX") and calling_ae_title == "XRAY2"',
        'not modality == "DX" or modality == "CT"',
        'outcome in ("not_flagged", "failed")',
    ],
)
def test_these_do_not(rule: str) -> None:
    assert not holds(rule)


def test_and_binds_closer_than_or_and_not_closest() -> None:
    assert str(parse('modality == "A" or modality == "B" and not modality == "C"')) == (
        'modality == "A" or modality == "B" and not (modality == "C")'
    )
    assert isinstance(parse('modality == "A" or modality == "B" and modality == "C"'), AnyOf)
    assert isinstance(parse('not modality == "A" and modality == "B"'), All)


def test_what_people_type_compares_without_case_and_codes_exactly_and_spaces_around_never_count() -> None:
    assert holds('study_description like "*THORAX*"')
    assert not holds('modality == "dx"')
    assert holds('modality == " DX"', modality="DX ")


def test_what_is_absent_is_empty() -> None:
    assert decide(parse('view_position == ""'), {}).holds
    assert decide(parse('view_position like "*"'), {}).holds
    assert not decide(parse('view_position like "?*"'), {}).holds


@pytest.mark.parametrize(
    ("rule", "column", "expected"),
    [
        ('modalty == "DX"', 1, "expected a field among calling_ae_title, .*modality.*Received: modalty"),
        ('modality = "DX"', 10, "expected a word, a text in quotes"),
        ('modality == "DX', 13, "expected a closing quote on the same line"),
        ("modality == DX", 13, "expected a text in quotes. Received: DX"),
        ("modality ==", 12, "expected a text in quotes. Received: the end of the rule"),
        ("modality", 9, 'expected ==, !=, "in", "like" or "not". Received: the end'),
        ('modality not "DX"', 14, 'expected "in" or "like"'),
        ('modality in ("CR" "DX")', 19, r'expected "," or "\)"'),
        ("modality in ()", 14, "expected a text in quotes"),
        ('(modality == "CR"', 18, r'expected "and", "or" or "\)"'),
        ('modality == "CR")', 17, r'expected "and", "or" or the end. Received: \)'),
        ('modality == "CR" modality == "DX"', 18, 'expected "and", "or" or the end. Received: modality'),
        ('and modality == "CR"', 1, r'expected a field, "not" or "\("'),
        ("not", 4, 'expected a field, "not"'),
        ('"CR" == modality', 1, "expected a field"),
        ('modality == "CR" ; import os', 18, "Received: ';'"),
        ("__import__('os')", 1, "expected a field among"),
        ('outcome == "flaged"', 1, "expected outcome to be one of flagged, not_flagged, not_analysed, failed"),
        ('role in ("candidate", "image")', 1, "expected role to be one of candidate, evidence. Received: image"),
        ('outcome like "x*"', 1, "expected outcome to be one of"),
    ],
)
def test_a_mistake_is_told_with_its_column_and_what_was_expected(rule: str, column: int, expected: str) -> None:
    with pytest.raises(RuleError, match=f"column {column}: ") as caught:
        parse(rule)
    assert re.search(expected, str(caught.value))
    assert caught.value.column == column


def test_size_and_depth_are_bounded() -> None:
    good = 'modality == "CR"'
    parse("(" * (DEEPEST - 1) + good + ")" * (DEEPEST - 1))
    for bad in (
        "(" * DEEPEST + good + ")" * DEEPEST,
        "not " * DEEPEST + good,
        f'modality == "{"x" * (LONGEST_TEXT + 1)}"',
        good + " " * LONGEST_RULE,
    ):
        with pytest.raises(RuleError):
            parse(bad)


@given(st.text(max_size=200) | st.from_regex(r"[a-z_()=!, \"'*?andorlikeintCR]{0,80}", fullmatch=True))
def test_any_text_is_a_rule_or_an_error_with_a_column(text: str) -> None:
    column = 1
    try:
        parse(text)
    except RuleError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


NAMES = st.sampled_from([name for name, field in FIELDS.items() if not field.values])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters='"\r\n', exclude_categories=("Cs",)), max_size=8)


def conditions() -> st.SearchStrategy[Condition]:
    comparisons = st.builds(
        Comparison, NAMES, st.lists(TEXTS, min_size=1, max_size=3).map(tuple), st.booleans(), st.booleans()
    )

    def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        # As the parser builds them: no list directly within a list of its kind.
        parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
        conjunctions = parts.filter(lambda found: not any(isinstance(one, All) for one in found)).map(All)
        disjunctions = parts.filter(lambda found: not any(isinstance(one, AnyOf) for one in found)).map(AnyOf)
        return st.builds(Not, inner) | conjunctions | disjunctions

    return st.recursive(comparisons, larger, max_leaves=6)


@given(conditions())
def test_a_condition_says_what_it_is_in_the_language_itself(condition: Condition) -> None:
    assert parse(str(condition)) == condition


def python_of(condition: Condition, facts: dict[str, str]) -> bool:
    """Evaluate independently of the code: by Python's own logic, and fnmatch for wildcards."""
    match condition:
        case Comparison(name, texts, wildcards, negated):
            fold: Callable[[str], str] = str.casefold if FIELDS[name].ignores_case else str
            value = fold(facts.get(name, "").strip(" \0"))
            wanted = [fold(text.strip(" \0")) for text in texts]
            if wildcards:
                found = any(fnmatch.fnmatchcase(value, text.replace("[", "[[]")) for text in wanted)
            else:
                found = value in wanted
            return found != negated
        case Not(part):
            return not python_of(part, facts)
        case All(parts):
            return all(python_of(part, facts) for part in parts)
        case AnyOf(parts):
            return any(python_of(part, facts) for part in parts)


@given(conditions(), st.dictionaries(NAMES, TEXTS))
def test_every_condition_has_an_answer_and_it_is_the_one_of_plain_logic(
    condition: Condition, facts: dict[str, str]
) -> None:
    decision = decide(condition, facts)
    assert decision.holds is python_of(condition, facts)
    assert decision.because
    assert {one.field for one in decision.because} <= set(fields_of(condition))


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_wildcards_mean_what_they_mean_to_a_shell(pattern: str, text: str) -> None:
    assert fits(pattern, text) is fnmatch.fnmatchcase(text, pattern)


def test_no_pattern_and_no_value_takes_long() -> None:
    rule = parse(f'study_description like "{"*a" * 120}*b"')
    begin = time.process_time()
    assert not decide(rule, {"study_description": "a" * 10_000_000}).holds
    assert time.process_time() - begin < 1
    assert LONGEST_VALUE == 1024
