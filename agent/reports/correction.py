"""Identity that was corrected after the images came, by an admission message (HL7 ADT) or an order.

What was not corrected is taken over byte for byte. A corrected value is written in the character set of the images if
that can hold it, else the report's texts are all written in Unicode (ISO_IR 192, PS3.3 C.12.1.1.2).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from agent.reports.document import StudyFacts
from agent.reports.elements import item
from agent.reports.evidence import SPECIFIC_CHARACTER_SET, TAKEN, Instance
from dicom_io.charset import codec_names, decode_text, without_controls
from dicom_io.scan import Syntax

_UNICODE: Final = b"ISO_IR 192"
_PLAIN: Final = re.compile(r"ISO_IR (1[0-4]\d|166|192|203)|GB18030|GBK")
"""Character sets without escape sequences, whose codecs write nothing else."""
_TEXTS: Final = frozenset({"SH", "LO", "PN", "UT"})
_TAGS: Final[Mapping[str, int]] = {
    "accession_number": 0x00080050,
    "referring_physician_name": 0x00080090,
    "study_description": 0x00081030,
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "issuer_of_patient_id": 0x00100021,
    "patient_birth_date": 0x00100030,
    "patient_sex": 0x00100040,
}
"""What can be corrected, by its name in `StudyFacts`."""
_STALE: Final[Mapping[str, int]] = {
    "accession_number": 0x00080051,  # Issuer of Accession Number Sequence
    "patient_id": 0x00100024,  # Issuer of Patient ID Qualifiers Sequence
    "issuer_of_patient_id": 0x00100024,
    "patient_birth_date": 0x00101010,  # Patient's Age
}
"""What the images say that may be wrong once an attribute is corrected: it is left out."""
_ROWS_AND_COLUMNS: Final = (0x00280010, 0x00280011)


def corrected(source: Instance, study: StudyFacts) -> Instance:
    """Return `source` with the identity as it was corrected; `source` itself where nothing was."""
    texts = {tag: _text(getattr(study, name)) for name, tag in _TAGS.items() if name in study.corrected}
    if not texts:
        return source
    terms = source.values.get(SPECIFIC_CHARACTER_SET, b"").decode("ascii", "replace").strip("\0 ").split("\\")
    codecs = codec_names(terms)
    encoded = _encoded(texts, codecs[0] if _PLAIN.fullmatch("\\".join(terms)) else "ascii")
    if encoded is None:
        source = _in_unicode(source, codecs)
        encoded = {tag: text.encode() for tag, text in texts.items()}
    stale = {_STALE[name] for name in study.corrected if name in _STALE}
    kept = {tag: value for tag, value in source.values.items() if tag not in stale}
    return replace(source, values=kept | encoded)


def _text(value: str) -> str:
    """Return a value as DICOM can hold it: a backslash would make two of it (PS3.5 section 6.2)."""
    return without_controls(value).replace("\\", "/").strip()


def _encoded(texts: Mapping[int, str], codec: str) -> dict[int, bytes] | None:
    """Return the values in the images' own character set, None where it cannot hold them."""
    try:
        return {tag: text.encode(codec) for tag, text in texts.items()}
    except UnicodeError:
        return None


def _in_unicode(source: Instance, codecs: Sequence[str]) -> Instance:
    """Return `source` with every text that is taken over in UTF-8, and sequences in Explicit VR Little Endian."""
    values = dict(source.values)
    values[SPECIFIC_CHARACTER_SET] = _UNICODE
    for tag, rule in TAKEN.items():
        if rule.items is not None:
            items = source.items(tag, rule.items)
            values[tag] = b"".join(item(_recoded(one, rule.items, codecs), rule.items) for one in items)
        elif tag in values and rule.vr in _TEXTS:
            values[tag] = decode_text(values[tag], codecs).encode()
    if not source.syntax.little_endian:
        values |= {tag: values[tag][::-1] for tag in _ROWS_AND_COLUMNS if tag in values}
    return replace(source, syntax=Syntax(explicit=True, little_endian=True), values=values)


def _recoded(values: Mapping[int, bytes], vrs: Mapping[int, str], codecs: Sequence[str]) -> dict[int, bytes]:
    return {tag: decode_text(value, codecs).encode() if vrs[tag] in _TEXTS else value for tag, value in values.items()}
