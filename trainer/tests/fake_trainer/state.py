"""The state of the fake trainer: a chain of hashes over everything that determines the weights of a real run."""

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class State:
    """The content of a checkpoint."""

    epoch: int
    iteration: int
    digest: str

    @classmethod
    def fresh(cls, seed: int) -> "State":
        return cls(0, 0, hashlib.sha256(f"seed {seed}".encode()).hexdigest())

    @classmethod
    def load(cls, path: Path) -> "State":
        return cls(**json.loads(path.read_bytes().split(b"\n", 1)[0]))

    def dump(self, min_bytes: int) -> bytes:
        """Returns one line of JSON, padded to `min_bytes`."""
        return (json.dumps(vars(self)).encode() + b"\n").ljust(min_bytes, b".")

    def step(self, batch: list[int], learning_rate_factor: float) -> None:
        """Hashes past, samples and learning rate, which determine the weights of a real step."""
        self.iteration += 1
        past = f"{self.digest} {self.iteration} {batch} {learning_rate_factor}"
        self.digest = hashlib.sha256(past.encode()).hexdigest()

    def hashes(self, samples: list[list[int]]) -> dict[str, Any]:
        """Returns the hashes of an epoch that trained on these batches and ended with this state."""
        order, generators = (
            [hashlib.sha256(text.encode()).hexdigest()] for text in (str(samples), f"generators {self.digest}")
        )
        return {"samples": order, "random": generators, "weights": self.digest, "optimizer": self.digest}

    def number(self) -> float:
        """Returns a number in 0..1 that depends on the complete past."""
        return int(self.digest[:8], 16) / 0xFFFFFFFF

    def average_precision(self, epochs: int) -> float:
        """Returns a score that rises with the share of completed epochs and depends slightly on the state."""
        return round(min(1.0, 0.5 * self.epoch / epochs + 0.01 * self.number()), 3)


def batches_of_epoch(seed: int, epoch: int, count: int, size: int) -> list[list[int]]:
    """Returns batches of sample indices, each sample once, in an order determined by (seed, epoch)."""
    samples = list(range(count * size))
    random.Random(f"{seed} {epoch}").shuffle(samples)
    return [samples[first : first + size] for first in range(0, len(samples), size)]
