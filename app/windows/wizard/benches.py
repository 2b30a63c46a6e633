"""Where the wizard works: a rig, the feed that reads its camera, and the way back to the scene."""

from collections.abc import Callable
from dataclasses import dataclass

from livecassi.app.calibrating.feed import Feed
from livecassi.app.calibrating.rig import ManualRig, Rig, SimulatedRig
from livecassi.app.prototype import Prototype
from livecassi.calibration.bench.state import BenchState
from livecassi.drivers import Source


@dataclass(frozen=True, slots=True)
class Workbench:
    """`show_scene` brings a bench that obeys by itself back before its scene; a person is asked on the page."""

    rig: Rig
    feed: Feed
    show_scene: Callable[[], None] = lambda: None


def simulated_bench(prototype: Prototype) -> Workbench:
    """The prototype, whose cap, lamp, mask and disperser obey at once."""
    feed = Feed(prototype.source)
    return Workbench(SimulatedRig(prototype, feed.probe), feed, lambda: _before_its_scene(prototype))


def manual_bench(source: Source) -> Workbench:
    """A real bench: the pages say what to do, and pressing Capture says that it is done."""
    feed = Feed(source)
    return Workbench(ManualRig(source, lambda _instruction: None, feed.probe), feed)


def _before_its_scene(prototype: Prototype) -> None:
    prototype.set_state(BenchState(drift_px=prototype.state.drift_px))  # what has moved does not move back
