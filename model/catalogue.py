"""What models the zoo holds, the broken ones too: each with its card, or with what keeps it from loading.

Imports no TensorFlow.
"""

from dataclasses import dataclass

from model import zoo
from model.card import ModelCard
from model.classifier import verify
from model.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model of the zoo. `card` was checked against the weights; None, with the `problem`, if it does not load."""

    name: str
    summary: str
    card: ModelCard | None
    problem: str


def catalogue() -> tuple[Entry, ...]:
    """List every module of the zoo, by name."""
    return tuple(_entry(name) for name in zoo.names())


def _entry(name: str) -> Entry:
    try:
        architecture = zoo.architecture(name)
    except ModelError as error:
        return Entry(name=name, summary="", card=None, problem=str(error))
    present = architecture.card_path.is_file(), architecture.weights_path.is_file()
    problem = {
        (False, False): "not trained: neither card nor weights are here",
        (True, False): "the weights are missing",
        (False, True): "the card is missing",
    }.get(present, "")
    card = None
    if not problem:
        try:
            card = verify(name)
        except ModelError as error:
            problem = str(error)
    return Entry(name=name, summary=architecture.summary, card=card, problem=problem)
