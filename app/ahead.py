"""Which frame is on the screen where the camera is ahead of the engine."""

from livecassi.app.result import Result
from livecassi.drivers import Frame


class FrameAhead:
    """Chooses between the frame that came with its turn at the engine and the newest one of the camera.

    An engine that keeps up gives every frame its turn between two looks at the screen: frame and cube come together,
    and nothing is shown twice. A frame that had a whole interval for its turn and is still without it shows that the
    engine is behind: from then on the newest frame is shown at once, until the engine has caught up. Frames never go
    back. Used from the window's thread, for one run of a source: the indices of its frames ascend.
    """

    def __init__(self) -> None:
        self._shown: Frame | None = None
        self._waiting: Frame | None = None
        self._is_ahead = False

    def choose(self, result: Result | None, newest: Frame | None) -> Frame | None:
        """The frame to show, at every look at the screen; None before the first result.

        `result` is the one that came since the last look, and `newest` was read after it.
        """
        if result is not None and (self._shown is None or result.frame.index >= self._shown.index):
            self._shown, self._is_ahead = result.frame, False
        if self._shown is None:
            return None
        if self._waiting is not None and self._waiting.index > self._shown.index:
            self._is_ahead = True
        if self._is_ahead:
            self._shown = newest
        self._waiting = newest
        return self._shown
