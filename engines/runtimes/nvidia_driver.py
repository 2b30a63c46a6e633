"""What the NVIDIA driver offers, asked without any of the libraries that sit on it: they may crash without a driver.

Drivers may crash or hang, too, so that they are asked in a process of their own:
`python -m livecassi.engines.runtimes.nvidia_driver` writes one line of JSON.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from livecassi.engines.errors import DriverError

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
ANSWER_SECONDS = 30.0
NAME_BYTES = 256
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
_INSTEAD = "choose an engine on the processor"


class NoDriverError(DriverError):
    """There is no NVIDIA driver, or no GPU behind it: nothing is wrong, and engines run on the processor."""


class Gpu(BaseModel):
    """One GPU: its name, all of its memory, and its compute capability such as (8, 9)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    memory_bytes: int
    capability: tuple[int, int]


class Driver(BaseModel):
    """The NVIDIA driver: the newest CUDA that it serves, such as (12, 8), and its GPUs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cuda: tuple[int, int]
    gpus: tuple[Gpu, ...]


class _Answer(BaseModel):
    """What the process writes: a driver, an error, or neither where there is no driver."""

    model_config = ConfigDict(extra="forbid")

    driver: Driver | None = None
    error: str = ""


def probe_driver(seconds: float = ANSWER_SECONDS, environment: Mapping[str, str] | None = None) -> Driver:
    """The driver and its GPUs, one at least, asked in a process that is given up after `seconds`.

    Raises `NoDriverError` where there is none, and `DriverError` where it fails or does not answer.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-m", __name__],
            env=dict(os.environ if environment is None else environment),
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise _failing(f"gave no answer within {seconds:g} s") from error
    except OSError as error:
        raise _failing(str(error)) from error
    if child.returncode:
        lines = child.stderr.strip().splitlines() or [f"ended with code {child.returncode}"]
        raise _failing(lines[-1])
    return read_answer(child.stdout)


def read_answer(text: str) -> Driver:
    """The driver in what the process wrote. Raises as `probe_driver`."""
    lines = text.strip().splitlines() or [""]
    try:
        answer = _Answer.model_validate_json(lines[-1])  # a driver may write its own lines before
    except ValidationError as error:
        raise _failing(f"unreadable answer '{text[:80]}'") from error
    if answer.error:
        raise _failing(answer.error)
    if answer.driver is None:
        raise NoDriverError(f"no NVIDIA driver; install one, or {_INSTEAD}")
    if not answer.driver.gpus:
        raise NoDriverError(f"no NVIDIA GPU; {_INSTEAD}")
    return answer.driver


def check_driver(driver: Driver, needed: tuple[int, int], what: str) -> None:
    """Raises `DriverError` where the driver does not serve the CUDA that `what` needs."""
    if driver.cuda < needed:
        raise DriverError(
            f"the NVIDIA driver serves CUDA {words(driver.cuda)}, {what} needs {words(needed)}; install a newer driver"
        )


def words(version: tuple[int, int]) -> str:
    """12.8 for (12, 8)."""
    return "{}.{}".format(*version)


def ask_driver(library: Any) -> Driver:
    """The GPUs behind a loaded driver library (CUDA driver API; no context is made). Raises `DriverError`."""
    version, count = ctypes.c_int(), ctypes.c_int()
    _call(library.cuDriverGetVersion, ctypes.byref(version))
    cuda = version.value // 1000, version.value % 1000 // 10
    if (code := library.cuInit(0)) == _NO_DEVICE:
        return Driver(cuda=cuda, gpus=())
    if code:
        raise DriverError(f"cuInit failed with code {code}")
    _call(library.cuDeviceGetCount, ctypes.byref(count))
    gpus = []
    for index in range(count.value):
        device, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(NAME_BYTES)
        _call(library.cuDeviceGet, ctypes.byref(device), index)
        _call(library.cuDeviceGetName, name, NAME_BYTES, device)
        _call(library.cuDeviceTotalMem_v2, ctypes.byref(memory), device)
        capability = _attribute(library, _MAJOR, device), _attribute(library, _MINOR, device)
        gpus.append(Gpu(name=name.value.decode(errors="replace"), memory_bytes=memory.value, capability=capability))
    return Driver(cuda=cuda, gpus=tuple(gpus))


def _attribute(library: Any, number: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    _call(library.cuDeviceGetAttribute, ctypes.byref(value), number, device)
    return value.value


def _call(function: Any, *arguments: object) -> None:
    if code := function(*arguments):
        raise DriverError(f"{getattr(function, '__name__', 'driver call')} failed with code {code}")


def _failing(how: str) -> DriverError:
    return DriverError(f"the NVIDIA driver fails: {how}; reboot, or install the driver again")


def main() -> None:
    """Write what was found."""
    answer = _Answer()
    try:
        answer = _Answer(driver=ask_driver(ctypes.CDLL(LIBRARY)))
    except OSError:
        pass  # no driver: an answer, too
    except (AttributeError, DriverError) as error:
        answer = _Answer(error=str(error))
    sys.stdout.write("\n" + answer.model_dump_json() + "\n")


if __name__ == "__main__":
    main()
