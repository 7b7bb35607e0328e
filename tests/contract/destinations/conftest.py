"""Real destinations of every type, and what they are sent to.

Each type of destination has a file in `receivers`, named as the type, with a class `Receiver`: a small real receiver
that behaves as it is told. To add a type, add its file; nothing else changes. What `Receiver` must have:

- `MEDIA_TYPE`: of the reports that it is sent.
- `BEHAVIOURS`: those of "down", "slow", "lying", "busy", "refusing" that its kind of receiver can show at all.
- `Receiver(folder)` makes one that is up, in a folder of its own.
- `settings()` returns the destination's table without its name, with time-outs of a second at most.
- `report(number)` returns identifier and bytes of a report; another number, another identifier.
- `be(behaviour)`: "up" again, or
  "down": nothing listens there (its port stays bound, or another test may get it);
  "slow": it takes what it is sent, keeps it, and answers after the time-out or never;
  "lying": it keeps nothing and acknowledges another message, or answers garbage;
  "busy": it keeps nothing and says, in the words of its protocol, that it has no room now (tried again);
  "refusing": it keeps nothing and says that it does not want this (parked: agent.line.statuses).
- `kept()` returns, by identifier, the SHA-256 digests of all that it kept under it.
- `close()` ends it.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agent import destinations
from agent.destinations import Destination

RECEIVERS = Path(__file__).parent / "receivers"


def receivers() -> dict[str, ModuleType]:
    """Return the module of each type's receiver."""
    found = {}
    for path in sorted(RECEIVERS.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"receivers_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        found[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found[path.stem])
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test for every type, and for each of the behaviours that it is marked with where the type can show them."""
    if "receiver_type" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("behaviours")
    modules = receivers()
    if marker is None:
        metafunc.parametrize("receiver_type", list(modules), scope="function")
        return
    pairs = [(name, how) for name, module in modules.items() for how in marker.args if how in module.BEHAVIOURS]
    metafunc.parametrize(("receiver_type", "behaviour"), pairs)


@dataclass(frozen=True)
class Pair:
    """Two receivers of one type, `first` and `other`, and the destinations that send to them."""

    media_type: str
    receivers: dict[str, Any]
    destinations: dict[str, Destination]


@pytest.fixture
def pair(receiver_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)  # no receiver here speaks TLS, and the system's list takes 25 ms
    module, type_ = receivers()[receiver_type], destinations.load(receiver_type)
    found = Pair(module.MEDIA_TYPE, {}, {})
    for name in ("first", "other"):
        (folder := tmp_path / name).mkdir()
        found.receivers[name] = receiver = module.Receiver(folder)
        settings = type_.Settings.model_validate({"name": name, "type": receiver_type} | receiver.settings())
        found.destinations[name] = type_.Destination(settings, "TIBABU")
    yield found
    for receiver in found.receivers.values():
        receiver.close()


@pytest.fixture
def exactly() -> Callable[..., dict[str, set[str]]]:
    """Return `exactly(reports)`: what a receiver has kept that has each of these reports and nothing else."""

    def kept(*reports: tuple[str, str]) -> dict[str, set[str]]:
        return {identifier: {digest} for identifier, digest in reports}

    return kept


@pytest.fixture
def digest() -> Callable[[bytes], str]:
    return lambda data: sha256(data).hexdigest()
