"""The bill of materials of an installation, CycloneDX 1.6: packages, the viewer's bundle, the weights, the font.

python .ci/sbom.py [ENVIRONMENT] > tibabu.cdx.json    # by default that of the Python that runs this

The same installation gives the same document: it has neither a time nor a number of its own.
"""

import json
import re
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

sys.path.insert(0, str(Path(__file__).parent))
from installed import REPOSITORY, VERSION, Installed, installed

_VERSION = SchemaVersion.V1_6
_BUNDLED = re.compile(r"^=+\n(\S+) (\d[^ ]*) \((.*)\)$", re.MULTILINE)
_OURS = "Apache-2.0"


def bill(found: list[Installed], sources: Path) -> Bom:
    """Return the bill of these packages and of what lies in the folder that has our four packages."""
    ours = Component(name="tibabu", version=VERSION, type=ComponentType.APPLICATION, bom_ref="tibabu")
    ours.licenses.add(LicenseFactory().make_from_string(_OURS))
    bom = Bom()
    bom.metadata.component = ours
    packages = {one.name: _package(one) for one in found}
    others = [*_bundled(sources), *_weights(sources), _font(sources)]
    for component in (*packages.values(), *others):
        bom.components.add(component)
    bom.register_dependency(ours, [*packages.values(), *others])
    return bom


def _package(one: Installed) -> Component:
    version = one.distribution.version
    return _component(one.name, version, one.licence, PackageURL("pypi", name=one.name, version=version))


def _bundled(sources: Path) -> Iterator[Component]:
    """Yield what the bundle of the viewer is made of."""
    text = (sources / "agent/web/static/cornerstone.licences.txt").read_text(encoding="utf-8")
    for name, version, licence in _BUNDLED.findall(text):
        scope, _, short = name.rpartition("/")
        yield _component(name, version, licence.strip("()"), PackageURL("npm", scope or None, short, version))


def _weights(sources: Path) -> Iterator[Component]:
    """Yield the models, by the digest of their weights."""
    for file in sorted((sources / "model").rglob("*.npz")):
        card = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        weights = _component(file.stem, card.get("version", VERSION), _OURS)
        weights.type = ComponentType.MACHINE_LEARNING_MODEL
        weights.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=sha256(file.read_bytes()).hexdigest()))
        yield weights


def _font(sources: Path) -> Component:
    file = sources / "agent/reports/fonts/DejaVuSans.ttf"
    font = _component(file.name, "2.35", "Bitstream-Vera")
    font.type = ComponentType.FILE
    font.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=sha256(file.read_bytes()).hexdigest()))
    return font


def _component(name: str, version: str, licence: str, purl: PackageURL | None = None) -> Component:
    reference = str(purl or f"{name}@{version}")
    return Component(
        name=name,
        version=version,
        purl=purl,
        bom_ref=reference,
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
    )


def document(bom: Bom) -> str:
    """Return it as text. Raises ValueError if it is not valid by CycloneDX's own schema."""
    found = json.loads(make_outputter(bom, OutputFormat.JSON, _VERSION).output_as_string())
    found["metadata"].pop("timestamp", None)
    found.pop("serialNumber", None)
    text = json.dumps(found, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if (error := JsonStrictValidator(_VERSION).validate_str(text)) is not None:
        msg = f"expected a valid document. Received: error={str(error).splitlines()[0]}"
        raise ValueError(msg)
    return text


def main() -> None:
    """Write the document."""
    folders = [str(path) for one in sys.argv[1:] for path in Path(one).glob("lib*/python3*/site-packages")]
    found = installed(folders or None)
    there = [Path(folder) for folder in folders if (Path(folder) / "agent").is_dir()]
    sys.stdout.write(document(bill(found, there[0] if there else REPOSITORY)))


if __name__ == "__main__":
    main()
