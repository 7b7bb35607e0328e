"""Who says it, and under which UIDs: derived, never drawn, so that rendering twice gives the same report.

UIDs are 2.25.<UUID version 5> (PS3.5 B.2). What a UID stands for goes into it whole; anything else that changes the
content of a report must come with a new version or revision.
"""

import json
from typing import Final
from uuid import UUID, uuid5

from agent.reports.document import ModelIdentity

MANUFACTURER: Final = "Tibabu"
PRODUCT: Final = "Tibabu"
_NAMESPACE: Final = UUID("7d1b4d5c-52d5-4f0e-9b7e-3c1c8a0f6a11")


def derived_uid(kind: str, *parts: str) -> str:
    """Return the UID of the thing of that kind that `parts` name."""
    return f"2.25.{uuid5(_NAMESPACE, json.dumps([kind, *parts])).int}"


def device_uid(installation: str, model: ModelIdentity) -> str:
    """Return the Device UID: another one for each installation, model and operating point."""
    return derived_uid(
        "device",
        installation,
        model.name,
        model.version,
        model.sha256,
        model.operating_point_name,
        repr(model.threshold),
        model.preprocessing,
    )


def report_uid(
    installation: str, study_instance_uid: str, revision: int, version: int, sop_class_uid: str, variant: str = ""
) -> str:
    """Return the SOP Instance UID of a report of one version of a study's result, `variant` as in StudyResult."""
    what = [installation, study_instance_uid, str(revision), str(version), sop_class_uid]
    return derived_uid("report", *what, *filter(None, [variant]))


def series_uid(installation: str, study_instance_uid: str, sop_class_uid: str, description: str) -> str:
    """Return the Series Instance UID of a study's reports of one SOP Class and Series Description.

    The description is an attribute of the Series, and a PACS keeps the first it saw: a later version with another
    outcome stands in a Series of its own, or the worklist of a viewer would go on showing the old outcome.
    """
    return derived_uid("series", installation, study_instance_uid, sop_class_uid, description)


def tracking_uid(installation: str, sop_instance_uid: str, finding: str) -> str:
    """Return the Tracking Unique Identifier of a finding (its code) on one image: the same through all versions."""
    return derived_uid("finding", installation, sop_instance_uid, finding)
