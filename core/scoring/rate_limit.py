"""At most so many requests in any minute, over all threads of a process."""

import threading
import time
from collections import deque


class RateLimit:
    """`n` turns in any window of `seconds`."""

    def __init__(self, n: int, *, seconds: float) -> None:
        self._seconds = seconds
        self._turns: deque[float] = deque(maxlen=n)
        self._lock = threading.Lock()

    def wait(self, *, at_most: float) -> float:
        """Sleeps until it is this thread's turn, and returns for how many seconds.

        Raises TimeoutError at once, and takes no turn, where that would be more than `at_most`.
        """
        with self._lock:
            now = time.monotonic()
            is_full = len(self._turns) == self._turns.maxlen
            turn = max(now, self._turns[0] + self._seconds) if is_full else now
            if turn - now > at_most:
                raise TimeoutError
            self._turns.append(turn)
        time.sleep(turn - now)
        return turn - now
