"""How often something happens, over the last seconds."""

from collections import deque

WINDOW_NS = 2_000_000_000


class RateMeter:
    """Events per second over a sliding window of two seconds. Ticked by one thread, read by any."""

    def __init__(self) -> None:
        self._ticks: deque[int] = deque(maxlen=2048)

    def tick(self, now_ns: int) -> None:
        """Count one event."""
        self._ticks.append(now_ns)

    def hz(self, now_ns: int) -> float:
        """The rate at `now_ns`; 0 where fewer than two events lie in the window."""
        recent = [t for t in tuple(self._ticks) if now_ns - t <= WINDOW_NS]
        if len(recent) < 2:
            return 0.0
        busy = recent[-1] - recent[0]
        interval = busy / (len(recent) - 1)
        span = max(busy, now_ns - recent[0] - interval)  # silence longer than one interval lowers the rate
        return (len(recent) - 1) * 1e9 / span if span > 0 else 0.0
