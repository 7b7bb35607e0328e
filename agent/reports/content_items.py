"""Content items of an SR document (PS3.3 C.17.3) as they stand in its bytes: made by highdicom, each kind once.

highdicom checks what it makes, and takes longer for one report than anything else that is done for it. Most items say
the same in every report of an installation; so an item is made and written once for what it says, and kept.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    CompositeContentItem,
    ContainerContentItem,
    ContentItem,
    ImageContentItem,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as PydicomCode

from agent.reports.elements import encoded, sequence
from agent.reports.part10 import CONTENT_SEQUENCE

CONTAINS: Final = RelationshipTypeValues.CONTAINS
SOURCE: Final = CodedConcept("260753009", "SCT", "Source")

Code = PydicomCode | CodedConcept

_KEPT: Final = 512
"""Items of one kind; the sizes and spacings of a site's images are not many more."""


def written(items: Sequence[ContentItem] | Sequence[Dataset]) -> tuple[bytes, ...]:
    """Return items of highdicom's as bytes."""
    return tuple(encoded(item) for item in items)


def below(items: Iterable[bytes]) -> bytes:
    """Return the Content Sequence with these items, an item's last element; b"" where there are none."""
    content = list(items)
    return sequence(CONTENT_SEQUENCE, content) if content else b""


@lru_cache(_KEPT)
def code(name: Code, value: Code, relationship: RelationshipTypeValues = CONTAINS) -> bytes:
    """Return an item that says a code: one of ours, since codes are the same to the cache whatever their meanings."""
    return encoded(CodeContentItem(name, value, relationship))


@lru_cache(_KEPT)
def text(name: Code, value: str, relationship: RelationshipTypeValues = CONTAINS) -> bytes:
    """Return an item that says a text."""
    return encoded(TextContentItem(name, value, relationship))


@lru_cache(_KEPT)
def count(name: Code, value: int, unit: Code, relationship: RelationshipTypeValues) -> bytes:
    """Return an item that says how many."""
    item = NumContentItem(name, value, unit, relationship_type=relationship)
    item.MeasuredValueSequence[0].NumericValue = str(value)  # highdicom writes a count as "1955.0"
    return encoded(item)


@lru_cache(_KEPT)
def measure(name: Code, value: float, unit: Code, relationship: RelationshipTypeValues) -> bytes:
    """Return an item that says how much."""
    return encoded(NumContentItem(name, value, unit, relationship_type=relationship))


def image(sop_class_uid: str, sop_instance_uid: str, relationship: RelationshipTypeValues = CONTAINS) -> bytes:
    """Return an item that refers to an image."""
    return encoded(ImageContentItem(SOURCE, sop_class_uid, sop_instance_uid, relationship_type=relationship))


def composite(sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """Return an item that refers to an Instance that is no image."""
    return encoded(CompositeContentItem(SOURCE, sop_class_uid, sop_instance_uid, relationship_type=CONTAINS))


def container(name: Code, items: Iterable[bytes]) -> bytes:
    """Return a container of separate items."""
    return _container(name) + below(items)


def root(name: Code, template: str) -> Dataset:
    """Return the root of a content tree (TID 1500, TID 2010) without the items below it."""
    return ContainerContentItem(name, is_content_continuous=False, template_id=template, relationship_type=None)


@lru_cache(_KEPT)
def _container(name: Code) -> bytes:
    return encoded(ContainerContentItem(name, is_content_continuous=False, relationship_type=CONTAINS))
