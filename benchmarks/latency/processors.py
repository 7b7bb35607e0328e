"""What each process takes of the processors, by /proc: the agent's roles, their decoding children, PACS and sender."""

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_STARTED, _USER, _SYSTEM, _PARENT = 19, 11, 12, 1
"""Places in /proc/PID/stat behind the name (proc(5)): since boot, of its own, of the kernel for it, its parent."""


PACS, SENDER = "PACS (storescp)", "sender (this script)"


def spent_by(processes: Mapping[str, int]) -> dict[str, float]:
    """Return seconds of processor time so far of each of these processes, and of this one."""
    return {name: _seconds(process) for name, process in processes.items()} | {SENDER: _seconds(os.getpid())}


def spent(agent: int, pacs: int) -> dict[str, float]:
    """Return seconds of processor time so far: of each role below the supervisor `agent`, of the PACS, of this process.

    What a role's processes have started besides counts apart, as "ROLE's children": a decoding process.
    """
    seconds: defaultdict[str, float] = defaultdict(float)
    below = _tree(agent)
    seconds["supervisor"] = _seconds(agent)
    for role in below.get(agent, []):
        name = _name(role)
        seconds[name] += _seconds(role)
        for other in _all_below(role, below):
            seconds[f"{name}'s children"] += _seconds(other)
    return dict(seconds) | spent_by({PACS: pacs})


def _all_below(process: int, below: Mapping[int, list[int]]) -> list[int]:
    return [found for child in below.get(process, []) for found in (child, *_all_below(child, below))]


def _tree(agent: int) -> dict[int, list[int]]:
    """Return the children of each process that began with the agent or after it."""
    begun = int(_stat(agent)[_STARTED])
    below: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (stat := _stat(int(folder.name))) and int(stat[_STARTED]) >= begun:
            below.setdefault(int(stat[_PARENT]), []).append(int(folder.name))
    return below


def _stat(process: int) -> list[str]:
    try:
        return (Path("/proc") / str(process) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return []


def _seconds(process: int) -> float:
    stat = _stat(process)
    return (int(stat[_USER]) + int(stat[_SYSTEM])) / _TICKS if stat else 0.0


def _name(process: int) -> str:
    try:
        name = (Path("/proc") / str(process) / "comm").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return "ended"
    return name.removeprefix("tibabu-")
