"""A process loads what its role needs, and no more: a host runs many of them."""

import subprocess
import sys
from pathlib import Path

FOREIGN = {
    "import dicom_io.decoding_child": "urllib3 charset_normalizer",  # pydicom would, to download
    "import agent.process.app, agent.process.clock, agent.process.clockwork": (
        "tensorflow keras openvino highdicom reportlab starlette alembic"
    ),
    "import agent.process.receiving, agent.config.file, agent.process.parts\n"
    "agent.process.parts.open_store(agent.config.file.Config())": (
        "fsspec s3fs botocore aiohttp"  # by default in a folder
    ),
}


def test_neither_network_nor_reports_nor_object_stores_nor_migrations_nor_downloads_are_loaded_where_not_needed(
    tmp_path: Path,
) -> None:
    script = "import sys\n" + "".join(
        f"{imports}\nfound = {set(names.split())!r} & sys.modules.keys()\nassert not found, found\n"
        for imports, names in FOREIGN.items()
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)  # noqa: S603 - this very Python
