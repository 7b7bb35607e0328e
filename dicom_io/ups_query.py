"""Queries of workitems (PS3.4 CC.2.8, and the match keys of a filtered subscription): which match, what is returned.

Keys and workitems are datasets in the DICOM JSON Model. Every attribute can be matched, those in sequences too: one
item that fulfils all keys of the key's item is enough (C.2.2.2.6). An empty key, and a sequence without items,
matches everything and asks for the attribute.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dicom_io.errors import MatchingError
from dicom_io.json_message import Model, name_of, values_of
from dicom_io.matching import Matcher, make_matcher

SOP_CLASS_UID: Final = "00080016"
SOP_INSTANCE_UID: Final = "00080018"
TIMEZONE: Final = "00080201"
_WITHOUT_MEANING: Final = frozenset({"00080005", "00080052", "00080053", TIMEZONE})
_MOST_KEYS: Final = 1000


@dataclass(frozen=True, slots=True)
class WorkitemQuery:
    """What has to match: matchers by tag, of a sequence the query of its items."""

    matchers: Mapping[str, Matcher]
    items: "Mapping[str, WorkitemQuery]"

    def fulfilled_by(self, model: Model) -> bool:
        """Tell whether a workitem, or an item, matches."""
        return all(
            any(matcher.fulfilled_by(text) for text in _texts(model, tag)) for tag, matcher in self.matchers.items()
        ) and all(
            any(isinstance(item, Mapping) and inner.fulfilled_by(item) for item in values_of(model, tag))
            for tag, inner in self.items.items()
        )

    @property
    def is_universal(self) -> bool:
        """Whether everything matches."""
        return not self.matchers and not self.items

    def single(self, tag: str) -> tuple[str, ...]:
        """Return the values of which a matching workitem has one in an attribute; none where that is not all."""
        values: tuple[str, ...] = getattr(self.matchers.get(tag), "values", ())
        return values


def workitem_query(keys: Model) -> WorkitemQuery:
    """Return the query of an Identifier. Raises MatchingError for a key that cannot be matched, or too many."""
    if _count(keys) > _MOST_KEYS:
        message = f"expected at most {_MOST_KEYS} keys. Received: more"
        raise MatchingError(message)
    return _query(keys)


def _query(keys: Model) -> WorkitemQuery:
    matchers: dict[str, Matcher] = {}
    items: dict[str, WorkitemQuery] = {}
    for tag, element in keys.items():
        if tag in _WITHOUT_MEANING:
            continue
        if element["vr"] == "SQ":
            found = values_of(keys, tag)
            if len(found) > 1:
                message = f"expected at most one item in a sequence of keys. Received: ({tag}) items={len(found)}"
                raise MatchingError(message)
            inner = _query(found[0]) if found else None
            if inner is not None and not inner.is_universal:
                items[tag] = inner
        elif (matcher := make_matcher(f"({tag})", element["vr"], "\\".join(_texts(keys, tag)))) is not None:
            matchers[tag] = matcher
    return WorkitemQuery(matchers, items)


def _count(keys: Model) -> int:
    return sum(1 + sum(_count(item) for item in values_of(keys, tag) if isinstance(item, Mapping)) for tag in keys)


def _texts(model: Model, tag: str) -> list[str]:
    return [_text(value) for value in values_of(model, tag)] or [""]


def _text(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    if isinstance(value, Mapping):
        return name_of(value)
    return "" if value is None else str(value)


def answer(model: Model, keys: Model) -> dict[str, Any]:
    """Return what an answer says of a workitem: the keys that were asked for, and which workitem it is."""
    found = _returned(model, keys)
    named = {tag: model[tag] for tag in (SOP_CLASS_UID, SOP_INSTANCE_UID, TIMEZONE) if tag in model}
    return found | named


def selected(model: Model, tags: Iterable[int]) -> dict[str, Any]:
    """Return the attributes of an N-GET (PS3.7 10.1.2): all where none is named."""
    wanted = {f"{tag:08X}" for tag in tags}
    return {tag: element for tag, element in model.items() if not wanted or tag in wanted}


def _returned(model: Model, keys: Model) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag, key in keys.items():
        if tag in _WITHOUT_MEANING:
            continue
        element = model.get(tag, {"vr": key["vr"]})
        asked = values_of(keys, tag)
        if element["vr"] == "SQ" and asked and asked[0]:
            items = [_returned(item, asked[0]) for item in values_of(model, tag)]
            element = {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        found[tag] = element
    return found
