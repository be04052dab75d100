"""How far a long command is, for whoever started it."""

import json
import time

SECONDS_BETWEEN_LINES = 1.0


class StageProgress:
    """A line on stdout about once a second: {stage, done, total} in bytes."""

    def __init__(self, stage: str, total: int) -> None:
        self._stage, self._done, self._total = stage, 0, total
        self._said = time.monotonic()

    def more(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            print(json.dumps({"stage": self._stage, "done": self._done, "total": self._total}), flush=True)
