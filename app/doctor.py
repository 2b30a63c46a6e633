"""What works on this machine and what is missing. Nothing here fails because something is absent.

Packages are looked up, not imported; camera producers, the GPU driver and Qt are tried in processes of their own,
because each of them has been seen to crash or hang.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from platformdirs import user_cache_path, user_documents_path
from pydantic import BaseModel, ConfigDict

from livecassi.drivers import SourceError
from livecassi.drivers.producers import PRODUCER_VARIABLE, find_producers, list_cameras
from livecassi.engines.errors import DriverError, RuntimeUnavailableError
from livecassi.engines.runtimes.choosing import AUTO, choose_runtime
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.nvidia_driver import Driver, NoDriverError, probe_driver, words
from livecassi.engines.runtimes.offers import Offer, offers, remembered

LOW_DISK_GIB = 10.0
LOW_MEMORY_GIB = 4.0
CHILD_SECONDS = 30.0
OPTIONAL = {  # package: the extra that brings it
    "torch": "torch",
    "onnxscript": "onnx",  # with which torch exports networks
    "onnxruntime": "onnx",
    "tensorrt": "tensorrt",
    "pycuda": "tensorrt",
    "seabreeze": "spectrometer",
}
QT_LIBRARIES = "libegl1 libgl1 libglib2.0-0 libxkbcommon0 libdbus-1-3 libfontconfig1 libxcb-cursor0"
START_QT = "from PySide6.QtGui import QGuiApplication as A; a = A([]); import sys; sys.stdout.write(a.platformName())"


class Status(StrEnum):
    """`ok`; `missing`: not here, livecassi works without it; `warning`: something needs attention."""

    OK = "ok"
    MISSING = "missing"
    WARNING = "warning"


class Check(BaseModel):
    """One line of the diagnosis: what was looked at, what was found, and what to do ("" where nothing)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
    status: Status
    found: str
    advice: str = ""


def diagnose(
    recordings: Path | None = None,
    environment: Mapping[str, str] | None = None,
    child_seconds: float = CHILD_SECONDS,
) -> list[Check]:
    """Every check. `recordings` is the folder to record into (default: livecassi in the user's documents).

    Takes some seconds: cameras, GPU and Qt are each given up to `child_seconds` in a process of their own.
    """
    variables = dict(os.environ if environment is None else environment)
    driver = remembered(lambda: probe_driver(child_seconds, variables))
    return [
        *_machine(),
        *_packages(),
        *_extras(),
        _display(variables, child_seconds),
        *_cameras(variables, child_seconds),
        check_gpu(driver),
        *check_runtimes(offers(driver)),
        check_disk(recordings or user_documents_path() / "livecassi"),
        check_compiled_code([Path(__file__).parents[1] / "engines", user_cache_path("numba")], variables),
    ]


def _machine() -> Iterator[Check]:
    yield Check(topic="livecassi", status=Status.OK, found=_version("livecassi") or "runs from source, not installed")
    yield Check(topic="Python", status=Status.OK, found=f"{platform.python_version()} on {platform.platform()}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Check(topic="processor", status=Status.OK, found=f"{cores} cores, {platform.machine()}")
    gib = _memory_gib()
    if gib is not None:
        scarce = gib < LOW_MEMORY_GIB
        advice = f"close other programs: live view needs about {LOW_MEMORY_GIB:g} GiB" if scarce else ""
        status = Status.WARNING if scarce else Status.OK
        yield Check(topic="memory", status=status, found=f"{gib:.1f} GiB", advice=advice)


def _memory_gib() -> float | None:
    """All memory of the machine; None where the system does not tell (not POSIX)."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> Iterator[Check]:
    """What livecassi cannot do without."""
    try:
        requirements = metadata.requires("livecassi") or []
    except metadata.PackageNotFoundError:
        requirements = []
    for requirement in requirements:
        if "extra ==" not in requirement and (name := re.match(r"[\w.-]+", requirement)):
            yield check_package(name.group(), "pip install --upgrade livecassi")


def _extras() -> Iterator[Check]:
    """What some engines and instruments ask for."""
    for package, extra in OPTIONAL.items():
        yield check_package(package, f"only where wanted: pip install 'livecassi[{extra}]'", Status.MISSING)


def check_package(package: str, advice: str, absent: Status = Status.WARNING) -> Check:
    """The installed version of a package, or `absent` and the advice."""
    version = _version(package)
    if version is None:
        return Check(topic=package, status=absent, found="not installed", advice=advice)
    if package == "PySide6-Essentials" and version.startswith("6.12.") and sys.version_info < (3, 12):
        return Check(
            topic=package,
            status=Status.WARNING,
            found=f"{version}: aborts Python {platform.python_version()} after some minutes of drawing",
            advice="pip install 'PySide6-Essentials<6.12'",
        )
    return Check(topic=package, status=Status.OK, found=version)


def _run(arguments: Sequence[str], variables: Mapping[str, str], seconds: float) -> tuple[str, str]:
    """Standard output of a Python child, and "" or why it gave none."""
    try:
        child = subprocess.run(
            [sys.executable, *arguments], env=dict(variables), capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return "", f"gave no answer within {seconds:g} s"
    except OSError as error:
        return "", str(error)
    if child.returncode:
        lines = child.stderr.strip().splitlines() or [f"ended with code {child.returncode}"]
        return "", lines[-1]
    return child.stdout.strip(), ""


def _display(variables: Mapping[str, str], seconds: float) -> Check:
    """Whether Qt can open a window."""
    wanted = variables.get("QT_QPA_PLATFORM", "")
    has_screen = bool(sys.platform != "linux" or variables.get("DISPLAY") or variables.get("WAYLAND_DISPLAY"))
    if not has_screen and not wanted:
        variables = {**variables, "QT_QPA_PLATFORM": "offscreen"}
    started, problem = _run(["-c", START_QT], variables, seconds)
    if problem:
        return Check(
            topic="display",
            status=Status.WARNING,
            found=f"Qt does not start: {problem}",
            advice=f"on Debian or Ubuntu: apt-get install {QT_LIBRARIES}",
        )
    if not has_screen and not wanted:
        return Check(
            topic="display",
            status=Status.MISSING,
            found="no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set); Qt itself starts",
            advice="everything but 'livecassi view' works; for a window log in to a desktop or use ssh -X",
        )
    return Check(topic="display", status=Status.OK, found=f"Qt opens windows ({started})")


def _cameras(variables: Mapping[str, str], seconds: float) -> Iterator[Check]:
    """Every GenTL producer and what it sees."""
    producers = find_producers(variables)
    if not producers:
        named = variables.get(PRODUCER_VARIABLE, "")
        yield Check(
            topic="cameras",
            status=Status.MISSING,
            found=f"no GenTL producer in {named}" if named else f"{PRODUCER_VARIABLE} is not set",
            advice="install the software package of your camera's vendor, or name its .cti file with --producer",
        )
    for producer in producers:
        try:
            cameras = list_cameras(producer, seconds)
        except SourceError as error:
            yield Check(
                topic=producer.name,
                status=Status.WARNING,
                found=str(error),
                advice=f"check the installation of {producer}",
            )
            continue
        names = ", ".join(f"{camera.vendor} {camera.model} ({camera.serial})" for camera in cameras)
        found = f"{len(cameras)} camera(s): {names}" if cameras else "sees no camera"
        advice = "" if cameras else "check cable, power and network of the camera"
        yield Check(topic=producer.name, status=Status.OK if cameras else Status.MISSING, found=found, advice=advice)


def check_gpu(probe: Callable[[], Driver]) -> Check:
    """What the NVIDIA driver offers; `probe` asks it."""
    try:
        driver = probe()
    except NoDriverError as error:
        found = str(error).split(";")[0]
        return Check(topic="GPU", status=Status.MISSING, found=found, advice="engines run on the processor")
    except DriverError as error:
        found, _, advice = str(error).partition("; ")
        advice = f"{advice}; engines run on the processor until then"
        return Check(topic="GPU", status=Status.WARNING, found=found, advice=advice)
    gpus = ", ".join(f"{gpu.name} ({gpu.memory_bytes / 2**30:.3g} GiB)" for gpu in driver.gpus)
    return Check(topic="GPU", status=Status.OK, found=f"{gpus}; driver for CUDA {words(driver.cuda)}")


def check_runtimes(offered: Sequence[Offer]) -> Iterator[Check]:
    """A line for every runtime and place: what can execute networks here, and what the others lack."""
    try:
        reason = choose_runtime(AUTO, tuple(RuntimeName), offered).reason
        yield Check(topic="networks run on", status=Status.OK, found=reason)
    except RuntimeUnavailableError as error:
        yield Check(topic="networks run on", status=Status.MISSING, found="nothing", advice=str(error))
    for offer in offered:
        version = f"{offer.version}: " if offer.version else ""
        yield Check(
            topic=offer.title,
            status=Status.OK if offer.available else Status.MISSING,
            found=version + offer.reason,
            advice="" if offer.available else _instead(offer),
        )


def _instead(offer: Offer) -> str:
    """What is done without a runtime, and how to get it where a package is all that is missing."""
    return "networks run on another" + (f"; only where wanted: {offer.install}" if offer.install else "")


def check_disk(recordings: Path, low_gib: float = LOW_DISK_GIB) -> Check:
    """Space left and the right to write where recordings go, or would go once the folder is made."""
    place = recordings.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    free_gib = shutil.disk_usage(place).free / 2**30
    found = f"{free_gib:.1f} GiB free in {recordings}"
    if not _writable(place):
        advice = "choose another folder with --recordings"
        return Check(topic="recordings", status=Status.WARNING, found=f"{place} cannot be written", advice=advice)
    if free_gib < low_gib:
        advice = "free some space or choose another disk with --recordings"
        return Check(topic="recordings", status=Status.WARNING, found=found, advice=advice)
    return Check(topic="recordings", status=Status.OK, found=found)


def check_compiled_code(folders: Sequence[Path], variables: Mapping[str, str]) -> Check:
    """Whether numba can keep compiled engines: in NUMBA_CACHE_DIR, else in the first of `folders` that it can write."""
    if named := variables.get("NUMBA_CACHE_DIR"):
        folders = [Path(named)]
    for folder in folders:
        place = next((p for p in (folder, *folder.parents) if p.exists()), folder)
        if _writable(place):
            return Check(topic="compiled code", status=Status.OK, found=f"kept in {folder}")
    return Check(
        topic="compiled code",
        status=Status.WARNING,
        found=f"cannot be kept: {folders[0]} cannot be written; every start compiles anew",
        advice="set NUMBA_CACHE_DIR to a folder that you may write",
    )


def _writable(folder: Path) -> bool:
    """Tried, not asked: rights alone say nothing about network drives and read-only mounts."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
