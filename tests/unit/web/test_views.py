"""A view as an address says it, and back: whatever stands there, and nothing of a patient."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.web import views
from agent.web.views import View, filters_of, view_of
from db.priority import Priority
from db.worklist_view import Age, Show, Wanted

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERYTHING = "show=read&outcome=flagged&priority=high&modality=CR&sender=CR+1&age=day&mine=1"


def test_what_an_address_says_is_wanted() -> None:
    view = view_of(dict(parse_qsl(EVERYTHING)), "ann")
    assert view.wanted == Wanted(
        show=Show.READ,
        outcome="flagged",
        priority=Priority.HIGH,
        modality="CR",
        sender="CR 1",
        age=Age.DAY,
        assigned_to="ann",
    )
    assert (view.filters, view.after, view.first) == (EVERYTHING, None, 1)
    assert views.described(view) == "Flagged, High priority, CR, from CR 1, received: the last 24 hours, assigned to me"


def test_what_means_nothing_is_left_out() -> None:
    said = {"show": "all", "outcome": "clear", "priority": "9", "age": "x", "mine": "yes", "after": "1.2.3", "n": "٣"}
    assert view_of(said, "ann") == View(wanted=Wanted())
    assert view_of(said, "ann").query == ""


@given(st.dictionaries(st.sampled_from(["show", "outcome", "age", "after", "n", "modality"]), st.text(max_size=30)))
def test_any_address_is_a_view_and_its_own_address_is_the_same_one(said: dict[str, str]) -> None:
    view = view_of(said, "ann")
    assert view_of(dict(parse_qsl(view.query)), "ann") == view


def test_the_next_page_begins_behind_its_last_row() -> None:
    view = view_of({"outcome": "flagged"}, "")
    query = view.behind((NOON + timedelta(microseconds=7), 42), 50)
    after = view_of(dict(parse_qsl(query)), "")
    assert (after.after, after.first, after.wanted) == ((NOON + timedelta(microseconds=7), 42), 51, view.wanted)
    by_number = view_of({"show": "quarantined"}, "").behind((None, 42), 50)
    assert view_of(dict(parse_qsl(by_number)), "").after == (None, 42)


@pytest.mark.parametrize("after", ["1", ".", "1.", ".5", "-1.5", "9" * 18 + ".1"])
def test_no_place_is_the_beginning(after: str) -> None:
    assert view_of({"after": after, "n": "51"}, "").query == ""


def test_people_have_pages_of_their_own_only_where_these_are_about_them() -> None:
    assert view_of({}, "ann").key == view_of({}, "bob").key
    assert view_of({"mine": "1"}, "ann").key != view_of({"mine": "1"}, "bob").key


def test_of_a_saved_view_the_filters_stay_and_nothing_else() -> None:
    assert filters_of(f"patient=DOE&{EVERYTHING}&after=5.6&n=51") == EVERYTHING


def test_views_that_everybody_has_are_written_as_their_filters() -> None:
    assert all(filters_of(query) == query for _, query in views.BUILT_IN)
