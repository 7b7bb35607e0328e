"""The one page of the PDF: whose study it is, what came of it and what that does not mean, the images, the model."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from agent.reports import wording
from agent.reports.document import FLAGGED, ImageOutcome, StudyFacts, StudyResult, strongest
from agent.reports.lettering import Lettering, person

TITLE: Final = "AI triage report"
"""Of every such document: viewers make names of files of it, so it names nobody."""

_WIDTH, _HEIGHT = A4
_MARGIN: Final = 42.0
_RIGHT: Final = _WIDTH - _MARGIN
_LABEL: Final = 92.0
_PICTURE: Final = (220.0, 240.0)
_PIXELS: Final = 480  # of the picture's longer side: it is to recognise, not to read
_TEXT, _SMALL, _TINY = 9.0, 8.0, 6.5
_LEADING: Final = 1.35
_BOTTOM: Final = 112.0  # the last lines' own
_INK, _GRAY, _BAND = (0.1, 0.1, 0.12), (0.4, 0.4, 0.44), (0.16, 0.18, 0.24)
_WHITE: Final = (1.0, 1.0, 1.0)
_DAY: Final = 8
_ONE_AT_A_TIME: Final = Lock()  # reportlab's fonts are the process's


@dataclass(slots=True)
class _Pen:
    """Where the next line goes: `y` is its top, in points from the lower edge."""

    canvas: Canvas
    fonts: Lettering
    y: float

    def write(self, text: str, size: float, *, x: float, right: float, ink: tuple[float, float, float] = _INK) -> None:
        """Write text between `x` and `right` in as many lines as it takes."""
        self.canvas.setFillColorRGB(*ink)
        for line in self.fonts.wrapped(text, size, right - x):
            left = x
            for run in self.fonts.runs(line):
                self.canvas.setFont(run.font, size)
                self.canvas.drawString(left, self.y - size, run.text)
                left += self.canvas.stringWidth(run.text, run.font, size)
            self.y -= size * _LEADING

    def height(self, text: str, size: float, *, x: float, right: float) -> float:
        """Return how much of the page `write` would take."""
        return size * _LEADING * sum(1 for _ in self.fonts.wrapped(text, size, right - x))


def page(
    result: StudyResult, fonts: Lettering, *, analysed: datetime, concluded: datetime, picture: NDArray[np.uint8] | None
) -> bytes:
    """Return the PDF, the same bytes each time; the times are in the zone that it shows."""
    file = io.BytesIO()
    with _ONE_AT_A_TIME:
        canvas = Canvas(file, pagesize=A4, invariant=1, lang="en", initialFontName=fonts.first)
        canvas.setTitle(TITLE)
        canvas.setAuthor("Tibabu")
        canvas.setSubject(wording.AID)
        canvas.setDateFormatter(lambda *_: f"D:{concluded:%Y%m%d%H%M%S}{_offset(concluded)}")
        canvas.setCreator(f"Tibabu {wording.plain(result.software_version)}".strip())
        pen = _Pen(canvas, fonts, _HEIGHT)
        _banner(pen, result)
        _labelled(pen, _identity(result.study, fonts))
        _outcome(pen, result)
        if picture is not None:
            _picture(pen, result, picture)
        _images(pen, result)
        _foot(pen, result, analysed, concluded)
        canvas.showPage()
        canvas.save()
    return file.getvalue()


def _banner(pen: _Pen, result: StudyResult) -> None:
    pen.canvas.setFillColorRGB(*_BAND)
    pen.canvas.rect(0, _HEIGHT - 62, _WIDTH, 62, stroke=0, fill=1)
    pen.y = _HEIGHT - 16
    pen.write("AI triage aid - not for diagnosis".upper(), 15, x=_MARGIN, right=_RIGHT, ink=_WHITE)
    status = f"Preliminary, not verified by a person. Revision {result.revision}, version {result.version}."
    pen.write(status, _TEXT, x=_MARGIN, right=_RIGHT, ink=_WHITE)
    pen.y = _HEIGHT - 76


def _identity(study: StudyFacts, fonts: Lettering) -> Iterable[tuple[str, str]]:
    """Yield what tells whose study it is, by name; what is not known is left to the reader as such."""
    yield "Patient", person(study.patient_name, fonts)
    yield "Patient ID", study.patient_id
    if study.issuer_of_patient_id:
        yield "issued by", study.issuer_of_patient_id
    yield "Born, sex", ", ".join(part for part in (_day(study.patient_birth_date), study.patient_sex) if part)
    yield "Accession number", study.accession_number
    yield "Study", " ".join(part for part in (_day(study.study_date), study.modality) if part)
    if study.study_description:
        yield "described as", study.study_description


def _labelled(pen: _Pen, rows: Iterable[tuple[str, str]]) -> None:
    for label, value in rows:
        top = pen.y
        pen.write(label, _TEXT, x=_MARGIN, right=_MARGIN + _LABEL, ink=_GRAY)
        pen.y, after = top, pen.y
        pen.write(value or "not given", _TEXT, x=_MARGIN + _LABEL, right=_RIGHT, ink=_INK if value else _GRAY)
        pen.y = min(pen.y, after)
    pen.y -= 8


def _outcome(pen: _Pen, result: StudyResult) -> None:
    first, *others = wording.summary(result)
    pen.canvas.setStrokeColorRGB(*_GRAY)
    pen.canvas.line(_MARGIN, pen.y, _RIGHT, pen.y)
    pen.y -= 8
    pen.write(first, 13, x=_MARGIN, right=_RIGHT)
    for sentence in others:
        pen.write(sentence, _TEXT, x=_MARGIN, right=_RIGHT)
    if result.outcome == FLAGGED:
        pen.write(f"Operating point: {wording.operating_point(result.model)}.", _TEXT, x=_MARGIN, right=_RIGHT)
    pen.y -= 8


def _picture(pen: _Pen, result: StudyResult, picture: NDArray[np.uint8]) -> None:
    """Show the flagged image with the highest probability, small."""
    shown = Image.fromarray(picture)
    shown.thumbnail((_PIXELS, _PIXELS))
    scale = min(_PICTURE[0] / shown.width, _PICTURE[1] / shown.height)
    width, height = shown.width * scale, shown.height * scale
    pen.canvas.drawImage(ImageReader(shown), _MARGIN, pen.y - height, width, height)
    top, left = pen.y, _MARGIN + width + 14
    image = strongest(result)
    for sentence in (
        f"Image {result.images.index(image) + 1}, for recognition only: read the image itself.",
        wording.HEAT_MAP if image.heat_map is not None else wording.NO_HEAT_MAP,
        wording.AS_USUAL,
    ):
        pen.write(sentence, _TEXT, x=left, right=_RIGHT)
        pen.y -= 4
    pen.y = min(pen.y, top - height) - 12


def _images(pen: _Pen, result: StudyResult) -> None:
    """Write what came of each image; how many are left out is said where the page ends."""
    for number, image in enumerate(result.images, start=1):
        sentence = _sentence(number, image)
        needed = pen.height(sentence, _TEXT, x=_MARGIN, right=_RIGHT) + 2 * _TINY * _LEADING + 2 * _TEXT
        if pen.y - needed < _BOTTOM:
            left = len(result.images) - number + 1
            pen.write(f"And {left} more: the DICOM SR names them all.", _TEXT, x=_MARGIN, right=_RIGHT)
            return
        pen.write(sentence, _TEXT, x=_MARGIN, right=_RIGHT)
        pen.write(image.sop_instance_uid, _TINY, x=_MARGIN, right=_RIGHT, ink=_GRAY)
        pen.y -= 3


def _sentence(number: int, image: ImageOutcome) -> str:
    """Return an image's line; only a flagged one has a number, as in all reports."""
    sentence = f"{number}. {wording.image_sentence(image)}"
    if image.outcome != FLAGGED or image.probability is None:
        return sentence
    return f"{sentence} Probability {wording.probability(image.probability)}."


def _foot(pen: _Pen, result: StudyResult, analysed: datetime, concluded: datetime) -> None:
    """Write what made it, and when."""
    pen.y = _BOTTOM - 8
    pen.canvas.setStrokeColorRGB(*_GRAY)
    pen.canvas.line(_MARGIN, pen.y, _RIGHT, pen.y)
    pen.y -= 6
    model = f"Model: {wording.plain(result.model.name)} {wording.plain(result.model.version)}"
    parameters = "; ".join(wording.algorithm_parameters(result.model))
    pen.write(f"{model}; {parameters}.", _SMALL, x=_MARGIN, right=_RIGHT)
    times = f"Analysis began {_moment(analysed)}, concluded {_moment(concluded)}."
    made = f"Tibabu {wording.plain(result.software_version)}, installation {wording.plain(result.installation)}."
    pen.write(f"{times} {made}", _SMALL, x=_MARGIN, right=_RIGHT)
    pen.write(f"Study Instance UID {result.study_instance_uid}", _TINY, x=_MARGIN, right=_RIGHT, ink=_GRAY)


def _offset(moment: datetime) -> str:
    """Return the zone as PDF writes it (ISO 32000-1, 7.9.4)."""
    zone = moment.strftime("%z")
    return f"{zone[:3]}'{zone[3:5]}'"


def _day(date: str) -> str:
    """Return a DICOM date for people; any other text as it is."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == _DAY and date.isdecimal() else date


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC{moment:%z}"
