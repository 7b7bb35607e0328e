"""A user's own DICOM files as templates: their pixels, under simulated identities."""

from pathlib import Path

from agent.errors import AgentError
from agent.simulation.plan import Object
from dicom_io.errors import HeaderError
from dicom_io.image_files import sniff
from dicom_io.simulated import made


class Templates:
    """Makes planned objects of the DICOM files below a folder, each always of the same one."""

    def __init__(self, folder: Path) -> None:
        """Find them. Raises AgentError if there is none."""
        self._files = [path for path in sorted(folder.rglob("*")) if path.is_file() and sniff(path) == "dicom"]
        if not self._files:
            message = f"expected DICOM files below {folder}. Received: none"
            raise AgentError(message)

    def __call__(self, one: Object) -> bytes:
        """Make the file; where its template cannot be encoded as planned, it is the same bytes as before."""
        template = self._files[(one.simulated.study + one.simulated.image) % len(self._files)]
        try:
            return made(one.simulated, template, transfer_syntax_uid=one.transfer_syntax_uid)
        except HeaderError:
            return made(one.simulated, template)
