"""Another source in the place of the present one, or the same one again, without freezing the picture."""

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject

from livecassi.app.opening import SourceKind, SourceRequest
from livecassi.app.session import Session
from livecassi.app.windows.background import Background
from livecassi.app.windows.error_dialog import Remedy
from livecassi.calibration import check_frame_shape
from livecassi.calibration.belongs import check_camera
from livecassi.calibration.store import load_calibration

OpenSession = Callable[[SourceRequest], Session]


class SessionSwitch(QObject):
    """Opens sessions beside the window, one at a time, and hands over what `adopt` is to show.

    `busy` says what is being done. `request` is what the present session was opened from, where that is known.
    """

    def __init__(
        self,
        current: Callable[[], Session],
        open_session: OpenSession | None,
        request: SourceRequest | None,
        adopt: Callable[[Session], None],
        tell: Callable[[Exception, Remedy], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._current, self._open_session, self._adopt, self._tell = current, open_session, adopt, tell
        self.request = request
        self.busy = ""
        self.closing = False

    @property
    def can_open(self) -> bool:
        """Whether another source can be opened."""
        return self._open_session is not None

    def restart(self) -> None:
        """Start the source again from the beginning; a camera is opened anew where that is possible."""
        if self.request is not None and self.request.kind is SourceKind.CAMERA and self.can_open:
            self.open(self.request)
            return
        session = self._current()

        def start_again() -> Session:
            session.stop()
            return session

        self._beside(f"Restarting {session.source.info.title}…", start_again, self._adopt, lambda: None)

    def open(self, request: SourceRequest | None, ended: Callable[[Session | None], None] | None = None) -> None:
        """Open another source; the present one goes on until it is there. None: nothing was chosen.

        `ended` is given the new session once it is on the screen, or None where the source refused.
        """
        if request is None or self._open_session is None:
            return
        open_session, old = self._open_session, self._current()
        same_source = (
            self.request is not None and replace(request, calibration=self.request.calibration) == self.request
        )

        def swap() -> Session:
            if request.kind is SourceKind.CAMERA:  # one camera cannot be opened twice
                if request.calibration is not None:  # a bad or foreign file must not cost the running session
                    calibration = load_calibration(request.calibration)
                    if same_source:
                        check_camera(calibration, old.source.info)
                        check_frame_shape(calibration, old.source.info.frame_shape)
                old.close()
                return open_session(request)
            new = open_session(request)
            old.close()
            return new

        def swapped(new: Session) -> None:
            self.request = request
            self._adopt(new)
            if ended is not None:
                ended(new)

        def refused() -> None:
            if ended is not None:
                ended(None)

        self._beside("Opening…", swap, swapped, refused)

    def _beside(
        self, what: str, act: Callable[[], Session], then: Callable[[Session], None], refused: Callable[[], None]
    ) -> None:
        if self.busy or self.closing:
            return
        self.busy = what

        def done(session: Session | None, error: Exception | None) -> None:
            self.busy = ""
            if error is not None and not self.closing:
                self._tell(error, Remedy("Try again", lambda: self._beside(what, act, then, refused)))
                refused()
            elif session is not None and self.closing:
                session.close()
            elif session is not None:
                then(session)

        Background(act, done, name="opening", parent=self)
