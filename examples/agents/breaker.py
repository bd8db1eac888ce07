"""A circuit breaker: whether one more call makes sense.

    closed ──failures in a row──▶ open ──open_s passed──▶ half-open ──the probe went well──▶ closed
                                    ▲                         │
                                    └──────the probe failed───┘
"""
import threading
import time


class Breaker:
    def __init__(self, failures=5, open_s=30.0, clock=time.monotonic):
        self.failures, self.open_s, self.clock = failures, open_s, clock
        self._lock = threading.Lock()
        self._row = 0
        self._until = None  # open, or half-open, since then
        self._probing = False

    @property
    def state(self):
        with self._lock:
            if self._until is None:
                return "closed"
            return "open" if self.clock() < self._until else "half-open"

    def admit(self):
        """0.0: call, and say how it went by told(). Else the seconds until it is worth while to ask again."""
        with self._lock:
            if self._until is None:
                return 0.0
            left = self._until - self.clock()
            if left > 0:
                return left
            if self._probing:
                return min(self.open_s, 1.0)
            self._probing = True
            return 0.0

    def told(self, well):
        """None: it was neither (it was called off): a probe may be tried again."""
        with self._lock:
            self._probing = False
            if well is None:
                return
            if well:
                self._row, self._until = 0, None
                return
            self._row += 1
            if self._until is not None or (self.failures > 0 and self._row >= self.failures):
                self._until = self.clock() + self.open_s
