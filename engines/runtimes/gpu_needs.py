"""Which drivers and GPUs the runtimes need, as their makers say.

NVIDIA: CUDA 12 runs on drivers from 525 on (CUDA 12.0), CUDA 13 from 580 (CUDA 13.0) (CUDA compatibility guide);
TensorRT for CUDA 12 asks for 535 (CUDA 12.2) and GPUs from Turing on (TensorRT 11 prerequisites); TensorRT-RTX lists
7.5, 8.6, 8.9 and 12.x (support matrices 1.0 to 1.5), its page on engines for CPUs adds 8.0, and 9.0 is in neither.
"""

from livecassi.engines.errors import DriverError
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.nvidia_driver import Driver, check_driver, words

_DRIVERS = {12: (12, 0), 13: (13, 0)}  # by the major of CUDA that a package is built for
_TENSORRT_DRIVERS = {12: (12, 2), 13: (13, 0)}
_TURING = (7, 5)
_RTX_GPUS = ((7, 5), (8, 0), (8, 6), (8, 9))  # and all of 12


class GpuUnsupportedError(DriverError):
    """The driver is well, but the runtime has no kernels for this GPU."""


def check_gpu_for(runtime: RuntimeName, version: str, cuda_major: int, driver: Driver) -> None:
    """Raises `DriverError` where the driver is too old, `GpuUnsupportedError` where the first GPU is not served.

    `cuda_major` is that of the CUDA which the installed package is built for.
    """
    of_nvidia = runtime in (RuntimeName.TENSORRT, RuntimeName.TENSORRT_RTX)
    needed = (_TENSORRT_DRIVERS if of_nvidia else _DRIVERS).get(cuda_major, (cuda_major, 0))
    check_driver(driver, needed, f"{runtime} {version} (for CUDA {cuda_major})")
    gpu = driver.gpus[0]
    if runtime is RuntimeName.TENSORRT and gpu.capability < _TURING:
        raise GpuUnsupportedError(
            f"{gpu.name} has compute capability {words(gpu.capability)}, TensorRT needs {words(_TURING)} or later; "
            "choose torch"
        )
    if runtime is RuntimeName.TENSORRT_RTX and gpu.capability not in _RTX_GPUS and gpu.capability[0] != 12:
        raise GpuUnsupportedError(
            f"{gpu.name} has compute capability {words(gpu.capability)}, and TensorRT-RTX is made for "
            f"{', '.join(map(words, _RTX_GPUS))} and 12.x, the GPUs of desktops and laptops; choose tensorrt or torch"
        )
