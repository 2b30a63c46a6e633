"""Which NVIDIA GPUs the driver offers. Run as a program of its own, because drivers may crash or hang:
`python -m livecassi.app.gpu_probe` writes one line of JSON.
"""

import ctypes
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
NAME_BYTES = 256


class GpuError(Exception):
    """The driver does not answer as it should."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: `name`, and `memory_gib` in total."""

    name: str
    memory_gib: float


@dataclass(frozen=True, slots=True)
class Driver:
    """The NVIDIA driver: the newest CUDA that it serves, such as "12.8", and its GPUs."""

    cuda: str
    gpus: tuple[Gpu, ...]


def ask_driver(library: Any) -> Driver:
    """The GPUs behind a loaded driver library (CUDA driver API; no context is made). Raises `GpuError`."""
    _call(library.cuInit, 0)
    version, count = ctypes.c_int(), ctypes.c_int()
    _call(library.cuDriverGetVersion, ctypes.byref(version))
    _call(library.cuDeviceGetCount, ctypes.byref(count))
    gpus = []
    for index in range(count.value):
        device, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(NAME_BYTES)
        _call(library.cuDeviceGet, ctypes.byref(device), index)
        _call(library.cuDeviceGetName, name, NAME_BYTES, device)
        _call(library.cuDeviceTotalMem_v2, ctypes.byref(memory), device)
        gpus.append(Gpu(name.value.decode(errors="replace"), round(memory.value / 2**30, 1)))
    return Driver(f"{version.value // 1000}.{version.value % 1000 // 10}", tuple(gpus))


def _call(function: Any, *arguments: object) -> None:
    if code := function(*arguments):
        raise GpuError(f"{getattr(function, '__name__', 'driver call')} failed with code {code}")


def main() -> None:
    """Write what was found: {"cuda", "gpus"}, {"error"}, or {} where there is no driver."""
    answer: dict[str, object] = {}
    try:
        answer = asdict(ask_driver(ctypes.CDLL(LIBRARY)))
    except OSError:
        pass  # no driver: an answer, too
    except (AttributeError, GpuError) as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
