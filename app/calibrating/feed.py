"""The feed: one thread that reads a source, keeps the newest frame for the screen, and lends frames to a capture."""

import logging
import queue
import threading
import time
from collections.abc import Generator

from livecassi.app.rate import RateMeter
from livecassi.drivers import Frame, LivecassiError, Source, SourceLostError

log = logging.getLogger(__name__)

JOIN_TIMEOUT_S = 5.0
WAITING_FRAMES = 64  # so many may wait for a slow borrower; further ones of a camera pass it by
IN_FLIGHT = 3  # frames after a change at the bench that may still show how it was before
PATIENCE_S = 10.0  # without a frame for so long, beyond the exposure, a camera counts as lost


class Feed:
    """Frames of `source`, read in one thread from `start` to `stop`. `frames` may be called from any thread.

    A loss ends the thread and stays readable as `error`; `reconnect` starts again. The source must not be read by
    anybody else meanwhile.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._borrowers: list[_Borrower] = []
        self._newest: Frame | None = None
        self._error: Exception | None = None
        self._rate = RateMeter()

    # ---- running -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to read; a feed that runs goes on."""
        if self.running:
            return
        self._stop, self._error = threading.Event(), None
        stop = self._stop
        self._thread = threading.Thread(target=lambda: self._run(stop), name="livecassi-feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the source and wait for the thread; whoever borrows frames is told. Safe to call twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_TIMEOUT_S)
            if self._thread.is_alive():
                log.error("the feed did not end within %.0f s and is left behind", JOIN_TIMEOUT_S)
        self._thread = None

    def reconnect(self, source: Source | None = None) -> None:
        """Start again after a loss, with the same source or another object of the same camera."""
        self.stop()
        if source is not None:
            self.source = source
        self.start()

    @property
    def running(self) -> bool:
        """Whether frames are being read."""
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    # ---- what is read --------------------------------------------------------------------------------------------

    @property
    def newest(self) -> Frame | None:
        """The newest frame of this run or an earlier one."""
        return self._newest

    @property
    def error(self) -> Exception | None:
        """What ended the reading; None while it goes well."""
        return self._error

    @property
    def rate_hz(self) -> float:
        """Frames per second, lately."""
        return self._rate.hz(time.monotonic_ns())

    def frames(self, skip: int = IN_FLIGHT) -> Generator[Frame, None, None]:
        """The frames that arrive from now on, in order, without the first `skip`, which may show the bench as it was.

        Close the iterator, or leave it, to end the loan. A camera does not wait for a slow reader: more than 64
        frames behind, it misses some. Raises `SourceLostError` where no more will come; what the source raised is
        its cause.
        """
        borrower = _Borrower(self.source.info.waits)
        with self._lock:
            if not self.running:
                raise self._lost()
            self._borrowers.append(borrower)
        return self._lend(borrower, 0 if borrower.waits else skip)

    def probe(self) -> Frame:
        """One frame that was exposed after the call. Raises as `frames`."""
        lent = self.frames()
        try:
            return next(lent)
        finally:
            lent.close()

    def _lend(self, borrower: "_Borrower", skip: int) -> Generator[Frame, None, None]:
        try:
            for _ in range(skip):
                self._next(borrower)
            while True:
                yield self._next(borrower)
        finally:
            borrower.closed.set()
            with self._lock:
                self._borrowers.remove(borrower)

    def _next(self, borrower: "_Borrower") -> Frame:
        exposure_s = (self._newest.exposure_us if self._newest is not None else 0.0) * 1e-6
        deadline = time.monotonic() + PATIENCE_S + 3 * exposure_s
        while time.monotonic() < deadline:
            try:
                return borrower.frames.get(timeout=0.05)
            except queue.Empty:
                if not self.running:
                    break
        try:
            return borrower.frames.get_nowait()
        except queue.Empty:
            raise self._lost() from self._error

    def _lost(self) -> LivecassiError:
        if isinstance(self._error, LivecassiError):
            return SourceLostError(str(self._error))
        if self._error is not None:
            return SourceLostError(f"the source failed ({self._error}); reconnect it and repeat the capture")
        if self.running:
            return SourceLostError(
                f"no frame came for {PATIENCE_S:.0f} s, expected one per exposure; "
                "look at cable, trigger and power, then reconnect"
            )
        return SourceLostError("the source gives no more frames; start it again and repeat the capture")

    # ---- the thread ----------------------------------------------------------------------------------------------

    def _run(self, stop: threading.Event) -> None:
        try:
            for frame in self.source.frames(stop):
                self._newest = frame
                self._rate.tick(time.monotonic_ns())
                with self._lock:
                    borrowers = list(self._borrowers)
                for borrower in borrowers:
                    borrower.offer(frame, stop)
                if stop.is_set():
                    return
        except Exception as error:
            if not isinstance(error, LivecassiError):
                log.exception("unexpected error while reading %s", self.source.info.title)
            self._error = error


class _Borrower:
    """One who takes frames; `waits`: the source holds its next frame until there is room."""

    def __init__(self, waits: bool) -> None:
        self.waits = waits
        self.closed = threading.Event()
        self.frames: queue.Queue[Frame] = queue.Queue(WAITING_FRAMES)

    def offer(self, frame: Frame, stop: threading.Event) -> None:
        while not self.closed.is_set() and not stop.is_set():
            try:
                self.frames.put(frame, timeout=0.05 if self.waits else 0.0)
            except queue.Full:
                if not self.waits:
                    return
            else:
                return
