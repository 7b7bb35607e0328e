"""Keywords of PS3.6, as people write them in queries."""

import re
from typing import Final

from pydicom.datadict import tag_for_keyword

_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_keyword(text: str) -> str | None:
    """Return a keyword, or the first of a path of keywords, in snake_case; None for what is no keyword."""
    first = text.partition(".")[0]
    if tag_for_keyword(first) is None:
        return None
    return _WORD.sub("_", first).lower()
