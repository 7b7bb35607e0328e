"""Another package called `model` or `db` must not be taken for ours: all four have to come from one place."""

import importlib.machinery
import sys
from pathlib import Path

PACKAGES = ("dicom_io", "model", "db")


def find_impostor() -> str | None:
    """Return a message about the first of our packages that would be imported from elsewhere, or None if all is well.

    Looks without importing: an impostor's code must not run.
    """
    home = Path(__file__).resolve().parents[2]
    for name in PACKAGES:
        spec = importlib.machinery.PathFinder.find_spec(name) or _editable(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent
        if found != home / name:
            return (
                f"expected the package '{name}' in {home}. Received: {found or 'none'}. Another package of that name "
                "stands before it on Python's path: install tibabu alone in an environment of its own and unset "
                "PYTHONPATH"
            )
    return None


def _editable(name: str) -> importlib.machinery.ModuleSpec | None:
    """Ask the remaining finders, such as those of editable installations."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if find is not None and (spec := find(name, None)) is not None:
            return spec  # type: ignore[no-any-return] # finders are untyped
    return None
