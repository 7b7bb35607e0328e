"""The zoo: one module a model, its card (.json) and weights (.npz) beside it, all of one name.

A module defines `SUMMARY` (one line for the card), `build(toolkit)` (the untrained network, of `model.layers`: input
[n, 156, 156, 3] in 0..1, outputs (logit [n], activation [n, rows, columns]) with the logit the mean of the activation;
of Keras' layers by default) and `initialise(network)` (where training starts from). It may define `RECIPE`, what it
changes of the default recipe of `tibabu train`. There is no registry: the module's name is the model's name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from model.errors import UnknownModelError
from model.runtime import Network


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a zoo module defines, and where its card and weights belong."""

    name: str
    summary: str
    build: Callable[..., Network]
    initialise: Callable[[Network], None]
    card_path: Path
    weights_path: Path

    @property
    def is_loadable(self) -> bool:
        """Whether trained weights and their card are here."""
        return self.card_path.is_file() and self.weights_path.is_file()


def names() -> tuple[str, ...]:
    """List every architecture of the zoo, trained or not: what can be trained."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def loadable() -> tuple[str, ...]:
    """List the models whose trained weights and card are in the package: what can be loaded."""
    return tuple(name for name in names() if _is_loadable(name))


def _is_loadable(name: str) -> bool:
    try:
        return architecture(name).is_loadable
    except UnknownModelError:
        return False


def architecture(name: str) -> Architecture:
    """Find one architecture by its module's name.

    Raises:
        UnknownModelError: there is no such module (the message lists those that exist), or it is no module of a model.

    """
    if name not in names():
        msg = f"expected one of the models {', '.join(names())}. Received: name={name!r:.80}"
        raise UnknownModelError(msg)
    folder = Path(__path__[0])
    try:
        module = import_module(f"{__name__}.{name}")
        return Architecture(
            name, module.SUMMARY, module.build, module.initialise, folder / f"{name}.json", folder / f"{name}.npz"
        )
    except Exception as error:  # somebody's own file: whatever is wrong with it, the other models are well
        msg = f"expected a module with SUMMARY, build and initialise. Received: {name} ({type(error).__name__})"
        raise UnknownModelError(msg) from error


def recipe(name: str) -> dict[str, Any]:
    """Return what a model's module changes of the default recipe: its `RECIPE`, if it has one.

    Raises:
        UnknownModelError: there is no such module.

    """
    architecture(name)
    return dict(getattr(import_module(f"{__name__}.{name}"), "RECIPE", {}))
