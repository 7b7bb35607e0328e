"""The transfer syntaxes that more than one module knows by name (PS3.5 section 10 and annex A)."""

from typing import Final

IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"

NATIVE: Final = frozenset({IMPLICIT, EXPLICIT, BIG_ENDIAN})
"""Those whose dataset is neither deflated nor holds compressed frames."""
DEFLATED: Final = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
"""Those whose whole dataset is deflated."""
EITHER: Final = (EXPLICIT, IMPLICIT)
"""What is proposed for messages, the preferred one first."""
