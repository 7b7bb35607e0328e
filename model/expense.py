"""What a training took: processor, hours, and an estimate of the energy with its assumption. No meter is read."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from model.runtime import cores, tensorflow

_CORE_WATTS = 10.0
_GPU_WATTS = 350.0
_CPUINFO = Path("/proc/cpuinfo")
_PACKAGES = ("tensorflow", "keras", "numpy", "pillow")

ASSUMPTION = (
    f"every core busy all the time at {_CORE_WATTS:.0f} W, its share of memory, fans and cooling included, and "
    f"{_GPU_WATTS:.0f} W for each GPU; nothing was metered"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a network was fitted on: processors by name, cores, GPUs, and versions that its weights depend on."""

    processor: str
    cores: int
    gpus: int
    software: dict[str, str]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Where one fold's network was fitted, and for how long."""

    machine: Machine
    seconds: float


def this_machine() -> Machine:
    """Describe this machine, with the GPUs that TensorFlow uses."""
    gpus = _gpus()
    software = {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
    return Machine(" + ".join([_cpu(), *(f"GPU {name}" for name in gpus)]), cores(), len(gpus), software)


def _cpu() -> str:
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    config = tensorflow().config
    devices = config.list_physical_devices("GPU")
    return [str(config.experimental.get_device_details(device).get("device_name", "unnamed")) for device in devices]


def kilowatt_hours(fitted: Fitted) -> float:
    """Estimate the energy that a fit took, under ASSUMPTION."""
    machine = fitted.machine
    return (machine.cores * _CORE_WATTS + machine.gpus * _GPU_WATTS) * fitted.seconds / 3.6e6
