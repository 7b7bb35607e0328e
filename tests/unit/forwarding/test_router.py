"""Where an Instance goes: at receipt or on which outcomes, once for each destination, never back."""

from agent.forwarding.language import parse
from agent.forwarding.router import Router, Rule
from db.forwarding import Forward
from db.outcome import Outcome

DX = {"modality": "DX", "calling_ae_title": "XRAY1"}


def rule(name: str, when: str, *to: str) -> Rule:
    return Rule(name, parse(when), to)


def test_a_rule_that_does_not_ask_for_the_outcome_lets_an_instance_go_at_receipt() -> None:
    router = Router([rule("all", "", "pacs", "archive"), rule("ct", 'modality == "CT"', "ct")])
    assert router.forwards(DX) == (Forward(destination="pacs", rule="all"), Forward(destination="archive", rule="all"))


def test_a_rule_that_asks_for_it_waits_for_the_outcomes_on_which_it_matches() -> None:
    router = Router([rule("sick", 'modality == "DX" and outcome in ("flagged", "failed")', "pacs")])
    (forward,) = router.forwards(DX)
    assert set(forward.on_outcomes) == {Outcome.FLAGGED, Outcome.FAILED}
    assert router.forwards(DX | {"modality": "CT"}) == ()


def test_a_rule_that_an_outcome_cannot_change_still_waits_for_it() -> None:
    (forward,) = Router([rule("odd", 'outcome == "flagged" or modality == "DX"', "pacs")]).forwards(DX)
    assert set(forward.on_outcomes) == set(Outcome)


def test_two_rules_to_one_destination_are_one_forward_at_the_earlier_moment() -> None:
    flagged = rule("flagged", 'outcome == "flagged"', "pacs")
    failed = rule("failed", 'outcome == "failed"', "pacs")
    (both,) = Router([flagged, failed]).forwards(DX)
    assert (both.rule, set(both.on_outcomes)) == ("flagged, failed", {Outcome.FLAGGED, Outcome.FAILED})
    (at_once,) = Router([flagged, rule("all", "", "pacs")]).forwards(DX)
    assert at_once.on_outcomes == ()


def test_nothing_goes_back_to_who_sent_it() -> None:
    router = Router([rule("all", "", "pacs", "archive")], {"pacs": "PACS"})
    assert [one.destination for one in router.forwards(DX | {"calling_ae_title": "PACS "})] == ["archive"]
    assert [one.destination for one in router.forwards(DX | {"calling_ae_title": "pacs"})] == ["pacs", "archive"]
    assert [one.destination for one in router.forwards(DX | {"calling_ae_title": ""})] == ["pacs", "archive"]
