"""The ids of the resources of one study's result: UUIDs that are derived, never drawn."""

from dataclasses import dataclass
from uuid import UUID

from agent.reports.document import StudyResult
from agent.reports.identity import derived_uid, device_uid


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids by type of resource: the same through all versions of a study's result."""

    result: StudyResult

    def of(self, kind: str) -> str:
        """Return the id of the study's one resource of that type."""
        return self._derived(kind)

    def of_version(self, kind: str) -> str:
        """Return the id of a resource of which each version of the result has one of its own."""
        return self._derived(kind, str(self.result.revision), str(self.result.version))

    @property
    def device(self) -> str:
        """The id of the Device: another one with each Device UID and version of this software."""
        result = self.result
        return _uuid("Device", device_uid(result.installation, result.model), result.software_version)

    def _derived(self, kind: str, *parts: str) -> str:
        result = self.result
        return _uuid(kind, result.installation, result.study_instance_uid, result.variant, *parts)


def bundle_id(result: StudyResult) -> str:
    """Return the identifier of the Bundle of one version of a study's result."""
    return Ids(result).of_version("Bundle")


def _uuid(kind: str, *parts: str) -> str:
    return str(UUID(int=int(derived_uid(f"fhir {kind}", *parts).removeprefix("2.25."))))
