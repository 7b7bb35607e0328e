"""Keywords of PS3.6, as people write them in queries."""

import re
from typing import Final

from pydicom.datadict import dictionary_VR, tag_for_keyword

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_keyword(text: str) -> str | None:
    """Return a keyword, or the first of a path of keywords, in snake_case; None for what is no keyword."""
    first = text.partition(".")[0]
    if tag_for_keyword(first) is None:
        return None
    return _WORD.sub("_", first).lower()


def path_of(text: str) -> tuple[tuple[str, str], ...] | None:
    """Return tag (8 hexadecimal digits) and VR of each part of a path of keywords or tags, None for what is none.

    All but the last are sequences (PS3.18 8.3.4.1).
    """
    found = []
    for part in text.split("."):
        tag = int(part, 16) if _TAG.fullmatch(part) else tag_for_keyword(part)
        try:
            found.append((f"{tag:08X}", dictionary_VR(tag)) if tag is not None else ("", ""))
        except KeyError:
            return None
    is_path = all(tag for tag, _ in found) and all(vr == "SQ" for _, vr in found[:-1])
    return tuple(found) if is_path else None
