"""What a training took: processor, hours, and an estimate of the energy with its assumption. No meter is read."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from model.runtime import tensorflow

_CORE_WATTS = 10.0
_GPU_WATTS = 350.0
_CPUINFO = Path("/proc/cpuinfo")
_PACKAGES = ("tensorflow", "keras", "numpy", "pillow")

ASSUMPTION = (
    f"every core busy all the time at {_CORE_WATTS:.0f} W, its share of memory, fans and cooling included, and "
    f"{_GPU_WATTS:.0f} W for each GPU; nothing was metered"
)


def processor() -> str:
    """Name the processor, and the GPUs that TensorFlow uses."""
    names = [_cpu(), *(f"GPU {name}" for name in _gpus())]
    return " + ".join(names)


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


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def kilowatt_hours(seconds: float) -> float:
    """Estimate the energy of a training of so many seconds on this machine, under ASSUMPTION."""
    return (cores() * _CORE_WATTS + len(_gpus()) * _GPU_WATTS) * seconds / 3.6e6


def software() -> dict[str, str]:
    """List the versions that the weights depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
