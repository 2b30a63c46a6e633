"""From what an operator names - the simulated bench or a camera - to a rig for a plan."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.calibrating.rig import ManualRig, Rig, SimulatedRig
from livecassi.app.opening import SourceKind, SourceRequest, find_producer
from livecassi.app.prototype import open_prototype
from livecassi.drivers import SourceUnsupportedError
from livecassi.drivers.clock import ManualClock


@contextmanager
def open_rig(request: SourceRequest, plan: CalibrationPlan, ask: Callable[[str], None]) -> Iterator[Rig]:
    """The rig, released at the end. The simulated bench has the system of the plan and gives frames as fast as it can.

    Raises `SourceError`.
    """
    if request.kind is SourceKind.PROTOTYPE:
        yield SimulatedRig(
            open_prototype(
                plan.system, request.height, request.width, seed=request.seed, bands=request.bands, clock=ManualClock()
            )
        )
        return
    if request.kind is SourceKind.FILE:
        raise SourceUnsupportedError(
            f"{request.path} holds frames of one state of the bench, a calibration needs several; name the files of "
            "each step in the plan (frames_from = ...) and leave out --source"
        )
    from livecassi.drivers.harvester import HarvesterCamera

    camera = HarvesterCamera(find_producer(request), request.serial or None)
    try:
        yield ManualRig(camera, ask)
    finally:
        camera.close()
