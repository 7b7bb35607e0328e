"""What is slow to import is imported by who uses it: seen in processes of their own."""

import subprocess
import sys
from pathlib import Path

import model


def test_importing_the_package_and_its_modules_does_not_import_tensorflow() -> None:
    root = Path(model.__path__[0])
    names = [path.relative_to(root.parent).with_suffix("") for path in root.rglob("*.py")]
    modules = [".".join(name.parts).removesuffix(".__init__") for name in names]
    program = "import sys, importlib; [importlib.import_module(m) for m in sys.argv[1:]]; print(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", program, *modules]
    loaded = subprocess.run(command, cwd=root.parent, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 (our own interpreter)
    assert set(modules) <= set(loaded)
    assert not {"tensorflow", "keras"} & set(loaded)


def test_listing_the_types_imports_none_of_them() -> None:
    script = (
        "import sys\nfrom agent import reports\nassert reports.names()\n"
        "found = {'highdicom', 'pydicom', 'agent.reports.sr', 'agent.reports.picture'} & sys.modules.keys()\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603 - this very Python
