"""From rows and files to a report's bytes: the one place where a concluded study becomes a `StudyResult`."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from agent import VERSION, reports
from agent.reports import Report
from agent.reports.document import (
    Document,
    ImageOutcome,
    ModelIdentity,
    Predecessor,
    ReportSettings,
    SentObject,
    StudyFacts,
    StudyResult,
)
from agent.reports.parametric_map import named
from db.causes import Cause
from db.concluded import ConcludedImage, ConcludedStudy
from dicom_io import rejection
from dicom_io.errors import LostError
from dicom_io.store import Store
from model.heat_map import from_png
from model.preprocess import DESCRIPTION as PREPROCESSING

TITLES: Final[Mapping[Cause | None, str]] = {
    Cause.QUALITY: rejection.QUALITY,
    Cause.SAFETY: rejection.PATIENT_SAFETY,
    Cause.WORKLIST_ENTRY: rejection.WRONG_WORKLIST_ENTRY,
}
"""The title of the rejection note by cause of a withdrawal."""

MAP: Final = "parametric_map"
_UNREADABLE: Final = Path(os.devnull)


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders reports by their names in the configuration; it records nothing."""

    store: Store
    installation: str
    report_settings: Mapping[str, ReportSettings]

    def module(self, name: str) -> tuple[Report, ReportSettings]:
        """Return the type and the settings of the report called `name`."""
        named = self.report_settings.get(name)
        module = reports.load(name if named is None or not named.type else named.type)
        return module, named or module.Settings()

    def render(self, name: str, study: ConcludedStudy) -> Document:
        """Return the report called `name` of a concluded study: the same one each time."""
        module, settings = self.module(name)
        with ExitStack() as files:
            result = self._result(study, files, variant=_variant(name, settings))
            return module.render(replace(result, explanation=self._explanation(study, result)), settings)

    def _explanation(self, study: ConcludedStudy, result: StudyResult) -> Predecessor | None:
        """Return the Parametric Map that goes wherever the report goes, if there is one."""
        for name, version in study.companions:
            settings = self.report_settings.get(name)
            if MAP in (name, settings.type if settings else ""):
                variant = "" if settings is None else _variant(name, settings)
                return named(replace(result, version=version, variant=variant))
        return None

    def _result(self, study: ConcludedStudy, files: ExitStack, *, variant: str) -> StudyResult:
        return StudyResult(
            study_instance_uid=study.study_instance_uid,
            revision=study.revision,
            outcome=study.outcome.value,
            reason=study.reason,
            probability=study.probability,
            model=ModelIdentity(
                name=study.model_name,
                version=study.model_version,
                sha256=study.model_sha256,
                operating_point_name=study.operating_point,
                threshold=study.threshold,
                preprocessing=PREPROCESSING,
            ),
            analysed_at=study.analysed_at,
            concluded_at=study.concluded_at,
            images=tuple(self._image(image, files) for image in study.images),
            evidence=tuple(self._local(path, files) for path in study.evidence),
            version=study.version,
            installation=self.installation,
            software_version=VERSION,
            predecessors=tuple(
                Predecessor(sop_class_uid=klass, sop_instance_uid=uid, series_instance_uid=series)
                for klass, uid, series in study.predecessors
            ),
            study=StudyFacts(**asdict(study.facts)),
            variant=variant,
            fall_back=study.fall_back,
            withdrawal=TITLES.get(study.withdrawal_cause, ""),
            withdrawal_reason=study.withdrawal_reason,
            reader_finding=study.reader_finding,
            rejected=tuple(SentObject(**asdict(one)) for one in study.rejected),
        )

    def _image(self, image: ConcludedImage, files: ExitStack) -> ImageOutcome:
        return ImageOutcome(
            sop_instance_uid=image.sop_instance_uid,
            sop_class_uid=image.sop_class_uid,
            path=None if image.path is None else self._local(image.path, files),
            outcome=image.outcome.value,
            reason=image.reason,
            probability=image.probability,
            heat_map=None if image.heat_map is None else from_png(image.heat_map),
        )

    def _local(self, path: str, files: ExitStack) -> Path:
        """Return a file to read while `files` is open; one that is lost cannot be read, and is not referred to."""
        try:
            return files.enter_context(self.store.local(path))
        except LostError:
            return _UNREADABLE


def _variant(name: str, settings: ReportSettings) -> str:
    """Return the report's name where it is not its type."""
    return name if settings.type not in {"", name} else ""
