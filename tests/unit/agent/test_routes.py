"""Which reports go to a destination for what they say, and which only because it has an earlier one."""

from agent.destinations import mllp
from agent.line.conclude import Route
from agent.reports import oru, picture


def destination(**settings: object) -> mllp.Settings:
    return mllp.Settings.model_validate({"name": "ris", "type": "mllp", "host": "10.0.0.7", "port": 2575} | settings)


def test_a_destination_that_wants_flagged_studies_follows_what_they_become() -> None:
    route = Route.of("oru", oru, None, destination(outcomes=["flagged"]))
    assert [outcome for outcome in oru_outcomes() if route.takes(outcome)] == ["flagged"]
    assert [outcome for outcome in oru_outcomes() if route.follows(outcome)] == [
        "not_flagged",
        "not_analysed",
        "failed",
    ]


def test_a_report_for_some_outcomes_only_follows_likewise() -> None:
    route = Route.of("oru", oru, oru.Settings(outcomes=("flagged", "failed")), destination())
    assert [outcome for outcome in oru_outcomes() if route.follows(outcome)] == ["not_flagged", "not_analysed"]


def test_what_there_is_of_flagged_studies_only_follows_nowhere() -> None:
    route = Route.of("picture", picture, None, destination())
    assert [outcome for outcome in oru_outcomes() if route.takes(outcome) or route.follows(outcome)] == ["flagged"]


def test_a_destination_serves_the_scanners_that_it_names() -> None:
    route = Route.of("oru", oru, None, destination(calling_ae_titles=["CR_1"]))
    assert (route.serves("CR_1"), route.serves("CR_2")) == (True, False)
    assert Route.of("oru", oru, None, destination()).serves("CR_2")


def oru_outcomes() -> tuple[str, ...]:
    return "flagged", "not_flagged", "not_analysed", "failed"
