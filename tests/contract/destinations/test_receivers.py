"""The suite covers every type of destination that there is."""

from pathlib import Path

from agent import destinations


def test_every_type_of_destination_has_a_receiver_in_this_suite() -> None:
    assert {path.stem for path in (Path(__file__).parent / "receivers").glob("*.py")} == set(destinations.names())
