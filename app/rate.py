"""How often something happens, over the last seconds."""

from collections import deque

WINDOW_NS = 2_000_000_000
SLOW_WINDOW_NS = 60_000_000_000
SLOW_EVENTS = 7  # of what happens less often than four times a second, the last few tell the rate
SLOW_INTERVAL_NS = 250_000_000


class RateMeter:
    """Events per second over a sliding window: two seconds, longer for what happens seldom.

    Ticked by one thread, read by any.
    """

    def __init__(self) -> None:
        self._ticks: deque[int] = deque(maxlen=2048)

    def tick(self, now_ns: int) -> None:
        """Count one event."""
        self._ticks.append(now_ns)

    def hz(self, now_ns: int) -> float:
        """The rate at `now_ns`; 0 where fewer than two events lie in the window."""
        ticks = tuple(self._ticks)
        few = ticks[-SLOW_EVENTS:]
        if len(few) > 1 and few[-1] - few[0] >= SLOW_INTERVAL_NS * (len(few) - 1):
            recent = [t for t in few if now_ns - t <= SLOW_WINDOW_NS]
        else:
            recent = [t for t in ticks if now_ns - t <= WINDOW_NS]
        if len(recent) < 2:
            return 0.0
        busy = recent[-1] - recent[0]
        interval = busy / (len(recent) - 1)
        span = max(busy, now_ns - recent[0] - interval)  # silence longer than one interval lowers the rate
        return (len(recent) - 1) * 1e9 / span if span > 0 else 0.0
