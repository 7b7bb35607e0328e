"""The bytes of a report: a Part 10 file in Explicit VR Little Endian (PS3.10 section 7, PS3.5 section 7).

What the agent says is a pydicom Dataset of plain ASCII; what it takes over from the images is written as it came in.
The two are joined element by element, in order of tags.
"""

from collections.abc import Sequence
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from agent.reports.correction import corrected
from agent.reports.document import DICOM, Document, StudyFacts
from agent.reports.elements import element, item, own, sequence
from agent.reports.evidence import TAKEN, Instance, Taken, taken_by_image
from dicom_io.file_meta import encode_file_meta

CONTENT_SEQUENCE: Final = 0x0040A730
_MAX_SHORT_LENGTH: Final = 0xFFFE


def write(
    dataset: Dataset, source: Instance, study: StudyFacts, *, content: Sequence[bytes] = (), image: bool = False
) -> Document:
    """Return the document of what `dataset` says, in ASCII throughout, and of the identity in `source`.

    What was corrected is as `study` has it. `content` are the items below the root of an SR document's content tree.
    `image` says that the report is itself an image, which takes over a little more.
    """
    source = corrected(source, study)
    taken = taken_by_image(source) if image else TAKEN
    elements = {int(element.tag): own(element) for element in dataset}
    if content:
        elements[CONTENT_SEQUENCE] = sequence(CONTENT_SEQUENCE, content)
    elements |= {tag: written for tag, rule in taken.items() if (written := _take(tag, rule, source)) is not None}
    meta = encode_file_meta(dataset.SOPClassUID, dataset.SOPInstanceUID, ExplicitVRLittleEndian)
    return Document(
        media_type=DICOM,
        data=meta + b"".join(elements[tag] for tag in sorted(elements)),
        sop_class_uid=dataset.SOPClassUID,
        identifier=dataset.SOPInstanceUID,
        series_instance_uid=dataset.SeriesInstanceUID,
    )


def _take(tag: int, rule: Taken, source: Instance) -> bytes | None:
    """Return the element as taken over, empty where it must be there, None where there is nothing to take."""
    if rule.items is not None:
        items = [item(one, rule.items) for one in source.items(tag, rule.items)]
        value = b"".join(items)
        return element(tag, rule.vr, value) if value else None
    value = source.values.get(tag, b"").rstrip(b"\0")
    bare = value.strip(b" ")
    if rule.pattern is not None:
        value = bare if rule.pattern.fullmatch(bare) else b""
    if not bare or len(value) > _MAX_SHORT_LENGTH:
        value = b""
    return element(tag, rule.vr, value) if value or rule.type_2 else None
