"""`python runtime_memory_child.py openvino|onnxruntime` says by how many bytes ten thousand calls let it grow.

In a process of its own, since what other tests have left behind grows and shrinks by itself.
"""

import os
import sys
from pathlib import Path

import numpy as np
from small_onnx import FEATURES, MASK, convolution_network

from livecassi.engines.runtimes.contract import active
from livecassi.engines.runtimes.onnx_runtime import OnnxRuntime
from livecassi.engines.runtimes.openvino_cpu import OpenVinoCpu

WARM_UP, CALLS = 1000, 10_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth_bytes(name: str) -> int:
    kind = {"openvino": OpenVinoCpu, "onnxruntime": OnnxRuntime}[name]
    random = np.random.default_rng(5)
    given = {
        "features": random.normal(size=FEATURES).astype(np.float32),
        "mask": random.random(MASK).astype(np.float32),
    }
    with active(kind(convolution_network(), threads=1)) as runtime:
        for _ in range(WARM_UP):
            runtime.infer(given)
        before = resident_bytes()
        for _ in range(CALLS):
            runtime.infer(given)
        return resident_bytes() - before


if __name__ == "__main__":
    sys.stdout.write(f"{growth_bytes(sys.argv[1])}\n")
