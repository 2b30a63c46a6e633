"""The rig: a source, and whoever brings the bench into the state that a step needs."""

from collections.abc import Callable
from typing import Protocol

from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.prototype import Prototype
from livecassi.calibration import Calibration
from livecassi.drivers import Source


class Rig(Protocol):
    """A bench that can be brought into the state of a step."""

    @property
    def source(self) -> Source:
        """Where its frames come from."""
        ...

    @property
    def automatic(self) -> bool:
        """Whether `prepare` does it alone; else it asks a person."""
        ...

    @property
    def truth(self) -> Calibration | None:
        """The calibration that a simulated bench has; None where nobody knows."""
        ...

    def prepare(self, step: CaptureStep) -> None:
        """Bring the bench into the state of `step` and the camera to its exposure. Raises `SourceError`."""
        ...


class ManualRig:
    """A real bench: `ask(instruction)` returns when the person has done it."""

    automatic = False
    truth: Calibration | None = None

    def __init__(self, source: Source, ask: Callable[[str], None]) -> None:
        self.source = source
        self._ask = ask

    def prepare(self, step: CaptureStep) -> None:
        """Ask, then set the exposure."""
        raise NotImplementedError


class SimulatedRig:
    """The prototype: its lamp, cap, mask and disperser obey at once."""

    automatic = True

    def __init__(self, prototype: Prototype) -> None:
        self.source = prototype.source
        self.truth: Calibration | None = prototype.calibration
        self._prototype = prototype

    def prepare(self, step: CaptureStep) -> None:
        """Set state and exposure."""
        raise NotImplementedError
