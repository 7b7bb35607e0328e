"""One labelled file from its bytes to the model's input, with what both gates say of it. Nothing here is scored."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from agent.evaluation.entries import Entry
from agent.evaluation.traits import traits
from dicom_io.errors import HeaderError, PixelError
from dicom_io.header import Header, read_header
from dicom_io.image_files import read_picture, sniff
from model.dataset import patient_of
from model.errors import InputError
from model.preprocess import to_gray_square

Pixels = npt.NDArray[np.uint8]

NO_IMAGE: Final = "the file is neither DICOM nor PNG nor JPEG"
NO_FILE: Final = "the file cannot be read"
NO_HEADER: Final = "the header cannot be read"
NO_INPUT: Final = "the pixels are no input for the model"


@dataclass(frozen=True, slots=True)
class Declined:
    """What kept an image from being analysed: which gate, and its reason without a patient's age or the like."""

    by: Literal["header", "pixels"]
    reason: str


class Gate(Protocol):
    """Both gates of the agent, as one question."""

    def declined(self, header: Header | None, frames: Sequence[Pixels], squares: Sequence[Pixels]) -> Declined | None:
        """Return why the image would not be analysed, or None. A picture has no header; `squares` are 156 x 156."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A readable image: `squares` uint8 [frames, 156, 156], its groups, what the gates say, the digest of its file.

    `patient` is a key that is the same for all images of one patient; where nothing tells the patient
    (`patient_known` is False) the image counts as a patient of its own.
    """

    entry: Entry
    squares: Pixels
    patient: str
    patient_known: bool
    traits: Mapping[str, str]
    declined: Declined | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that gets no score, and why."""

    entry: Entry
    reason: str


def read(entry: Entry, gate: Gate, read_frames: Callable[[Path], Sequence[Pixels]]) -> Image | Unreadable:
    """Read one file, its frames with `read_frames`. Never raises for what it holds."""
    try:
        digest = hashlib.sha256(entry.path.read_bytes()).hexdigest()
        kind = sniff(entry.path)
        header = read_header(entry.path) if kind == "dicom" else None
        if kind == "unknown":
            return Unreadable(entry, NO_IMAGE)
        frames = (read_picture(entry.path),) if header is None else read_frames(entry.path)
        squares = [to_gray_square(frame) for frame in frames]
    except OSError:
        return Unreadable(entry, NO_FILE)
    except HeaderError:
        return Unreadable(entry, NO_HEADER)
    except PixelError as error:
        return Unreadable(entry, error.reason)
    except InputError:
        return Unreadable(entry, NO_INPUT)
    patient = _patient(entry, header)
    return Image(
        entry=entry,
        squares=np.stack(squares),
        patient=patient or f"file {entry.name}",
        patient_known=bool(patient),
        traits=traits(entry, header),
        declined=gate.declined(header, frames, squares),
        sha256=digest,
    )


def _patient(entry: Entry, header: Header | None) -> str:
    """Return the patient as the table has it, else the header, else the file name; "" where nothing tells."""
    if entry.patient:
        return f"table {entry.patient}"
    if header is not None and header.patient_id:
        return f"header {header.issuer_of_patient_id}/{header.patient_id}"
    if header is not None:
        return f"study {header.study_instance_uid}"
    named = patient_of(entry.path.name)
    return f"name {named}" if named else ""
