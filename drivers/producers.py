"""GenTL producers (.cti files of camera vendors): where they are, how they are loaded, which cameras they see."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from livecassi.drivers.errors import SourceError, SourceNotFoundError, SourceUnsupportedError

PRODUCER_VARIABLE = "GENICAM_GENTL64_PATH"
_ANSWER = "livecassi-cameras "  # begins the line that carries the answer: producers write noise beside it


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """One camera that a producer lists; `index` is its place in that list."""

    index: int
    serial: str
    vendor: str
    model: str
    display_name: str


class VendorHarvester(Protocol):
    """What is used of `harvesters.core.Harvester`."""

    @property
    def device_info_list(self) -> Any:
        """Its devices, in order."""
        ...

    def create(self, index: int) -> Any:
        """An image acquirer for one of them."""
        ...

    def reset(self) -> None:
        """Release devices and producers."""
        ...


def find_producers(environment: Mapping[str, str] | None = None) -> list[Path]:
    """The producers in the folders that GENICAM_GENTL64_PATH names, in order; vendors' installers set it."""
    variable = (os.environ if environment is None else environment).get(PRODUCER_VARIABLE, "")
    found: list[Path] = []
    for folder in variable.split(os.pathsep):
        if folder and Path(folder).is_dir():
            found += [p for p in sorted(Path(folder).glob("*.cti")) if p not in found]
    return found


def open_harvester(producer: Path) -> VendorHarvester:
    """A Harvester with one producer loaded. A process may hold only one per producer: a second sees no cameras.

    Raises `SourceNotFoundError` (no such file) or `SourceUnsupportedError` (not loadable here).
    """
    if not producer.is_file():
        raise SourceNotFoundError(
            f"there is no GenTL producer {producer}; give the .cti file of the camera's vendor "
            f"(installed ones are listed in the folders of {PRODUCER_VARIABLE})"
        )
    with warnings.catch_warnings():  # harvesters changes the filter of the whole process when imported
        from harvesters.core import Harvester
    harvester = Harvester()
    with vendor_errors(f"GenTL producer {producer}"):
        try:
            harvester.add_file(str(producer), check_existence=True, check_validity=True)
        except OSError as error:
            raise SourceUnsupportedError(
                f"{producer} cannot be loaded ({error}); expected a GenTL producer for this operating system: "
                "install the vendor's package again"
            ) from error
        harvester.update()
    opened: VendorHarvester = harvester
    return opened


def cameras_of(harvester: VendorHarvester) -> list[CameraInfo]:
    """The cameras that an open Harvester lists."""
    cameras = []
    for index, device in enumerate(harvester.device_info_list):
        known = {name: str(value) for name, value in device.property_dict.items() if value is not None}
        cameras.append(
            CameraInfo(
                index,
                serial=known.get("serial_number", ""),
                vendor=known.get("vendor", ""),
                model=known.get("model", ""),
                display_name=known.get("display_name", known.get("id_", "")),
            )
        )
    return cameras


def list_cameras(producer: Path, timeout_s: float = 30.0) -> list[CameraInfo]:
    """The cameras of a producer, asked in a process of its own: a bad producer takes only that one down.

    Raises `SourceNotFoundError` or `SourceUnsupportedError` (not loadable, crashed, silent for `timeout_s`).
    """
    if not producer.is_file():
        raise SourceNotFoundError(f"there is no GenTL producer {producer}; give the .cti file of the camera's vendor")
    try:
        child = subprocess.run(
            [sys.executable, "-m", __name__, str(producer)], capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise SourceUnsupportedError(
            f"{producer} did not list its cameras within {timeout_s:g} s; unplug and replug the camera, or restart"
        ) from error
    for line in child.stdout.splitlines():
        if line.startswith(_ANSWER):
            answer = json.loads(line.removeprefix(_ANSWER))
            if "error" in answer:
                raise SourceUnsupportedError(answer["error"])
            return [CameraInfo(**camera) for camera in answer["cameras"]]
    raise SourceUnsupportedError(
        f"{producer} ended its process (exit code {child.returncode}) while it listed cameras; "
        "install the vendor's package again or choose another producer"
    )


@contextmanager
def vendor_errors(what: str, kind: type[SourceError] = SourceUnsupportedError) -> Iterator[None]:
    """Turns what the GenICam binding raises into one `SourceError` about `what`."""
    from genicam import genapi, gentl

    try:
        yield
    except (genapi.GenericException, gentl.GenericException) as error:
        text = str(error).split(" : ")[0].strip() or "no details"
        raise kind(f"{what}: {text} ({type(error).__name__})") from error


def _answer(producer: Path) -> str:
    try:
        harvester = open_harvester(producer)
        cameras = [asdict(camera) for camera in cameras_of(harvester)]
    except SourceError as error:
        return _ANSWER + json.dumps({"error": str(error)})
    return _ANSWER + json.dumps({"cameras": cameras})


if __name__ == "__main__":
    sys.stdout.write("\n" + _answer(Path(sys.argv[1])) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the answer is out: a producer that hangs or crashes in its clean-up changes nothing
