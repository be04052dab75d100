"""Progress of a long command, printed for the process that started it."""

import json
import time

SECONDS_BETWEEN_LINES = 1.0


class StageProgress:
    """Prints `{stage, done, total}` in bytes as a JSON line, at most once a second."""

    def __init__(self, stage: str, total: int) -> None:
        self._stage, self._done, self._total = stage, 0, total
        self._printed_at = time.monotonic()

    def more(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._printed_at > SECONDS_BETWEEN_LINES:
            self._printed_at = time.monotonic()
            print(json.dumps({"stage": self._stage, "done": self._done, "total": self._total}), flush=True)
