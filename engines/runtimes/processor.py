"""The CPU: how many cores there are to use, and which it is, for what must not run on another."""

import hashlib
import os
import platform
from pathlib import Path

_TELLING = ("model name", "flags", "CPU part", "Features")  # x86, then ARM


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The model and a digest of what it can; where the system does not say, what Python knows of the machine."""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    facts: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in _TELLING:
            facts.setdefault(name.strip(), value.strip())
    model = facts.get("model name", platform.processor() or platform.machine())
    digest = hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()
    return f"{model} ({platform.machine()}, {digest[:12]})"
