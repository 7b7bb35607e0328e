"""The licences of all that is installed: docs/licences.md. By default they are permissive.

python .ci/licences.py > docs/licences.md
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from installed import Installed, installed, project

PERMISSIVE = frozenset(
    "0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause CC0-1.0 ISC MIT MIT-0 MIT-CMU PSF-2.0 Zlib".split()  # noqa: SIM905 - a list of words
)
WEAK = {"certifi": "MPL-2.0"}
"""By default all the same, each with its licence: see the text below."""

TEXT = """# Licences

Tibabu has the Apache License 2.0. This page lists what is installed with it; it is made by `python .ci/licences.py` of
the packages' own metadata, or of the licence texts in them where the metadata say nothing, and a test compares the
two.

**By default only what has a permissive licence is installed**, with one exception: `certifi`, the list of authorities
that browsers trust, has the MPL 2.0, which asks of those who change its files to publish them, and of nobody else
anything. What has another licence is an extra: `postgresql` (psycopg) and `bidi` (python-bidi) are under the LGPL,
which lets any program use them as they are. The image of `deploy/Containerfile` has all extras in it but the one for
training.

Parts of other packages have licences of their own, whose texts lie beside them. Those that are not permissive: `numpy`
brings libgfortran (GPL 3 with the exception for what GCC compiles) and libquadmath (LGPL 2.1), `psycopg-binary`
libcrypt and keyutils (LGPL 2.1), `reportlab` a font that is not used here (DarkGarden, GPL with an exception for
documents).

The viewer of the pages is one bundle of packages under MIT, BSD, ISC and Apache licences, whose texts are in
`agent/web/static/cornerstone.licences.txt`. The font DejaVu Sans may be embedded and passed on
(`agent/reports/fonts/LICENSE_DEJAVU.txt`). The weights of the models are Tibabu's own; what they were trained on says
the [model card](model-card.md).

"""


def alternatives(expression: str) -> list[set[str]]:
    """Return for each licence that may be chosen of an SPDX expression all that it consists of."""
    return [set(re.split(r" AND ", one.strip("() "))) for one in expression.split(" OR ")]


def is_permissive(expression: str) -> bool:
    """Tell whether one may choose permissive licences alone."""
    return any(one <= PERMISSIVE for one in alternatives(expression))


def wrong(found: list[Installed]) -> list[str]:
    """Return what the policy does not allow: unknown licences, and by default those that are not permissive."""
    said = [f"{one.name}: no licence is known" for one in found if not one.licence]
    return said + [
        f"{one.name}: {one.licence} is not permissive, so it has to be an extra"
        for one in found
        if one.licence and "" in one.extras and not is_permissive(one.licence) and WEAK.get(one.name) != one.licence
    ]


def page(found: list[Installed]) -> str:
    """Return docs/licences.md."""
    parts = [TEXT]
    for extra in project():
        # What is there by default is not told again.
        new = [one for one in found if extra in one.extras and (not extra or "" not in one.extras)]
        title = f"The extra `{extra}`" if extra else "By default"
        rows = [f"| {one.name} | {one.licence} |" for one in new]
        parts += [f"## {title}", "| package | licence |", "|---|---|", *rows, ""]
    return "\n".join(parts).replace("\n\n\n", "\n\n")


def main() -> int:
    """Write the page; fail where the policy does not hold."""
    found = installed()
    said = wrong(found)
    sys.stdout.write(page(found))
    sys.stderr.write("".join(f"{line}\n" for line in said))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
