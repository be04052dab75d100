"""What the fake trainer trains: a chain of hashes over everything that decides the weights of a real run."""

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path


@dataclass
class State:
    """All that a checkpoint holds."""

    epoch: int
    iteration: int
    digest: str

    @classmethod
    def fresh(cls, seed: int) -> "State":
        return cls(0, 0, hashlib.sha256(f"seed {seed}".encode()).hexdigest())

    @classmethod
    def load(cls, path: Path) -> "State":
        return cls(**json.loads(path.read_bytes().split(b"\n", 1)[0]))

    def dump(self, least_bytes: int) -> bytes:
        """One line of JSON, filled up to the size of a checkpoint."""
        return (json.dumps(vars(self)).encode() + b"\n").ljust(least_bytes, b".")

    def step(self, batch: list[int], learning_rate_factor: float) -> None:
        """Past, samples and learning rate go into the hash, as those of a real step go into the weights."""
        self.iteration += 1
        past = f"{self.digest} {self.iteration} {batch} {learning_rate_factor}"
        self.digest = hashlib.sha256(past.encode()).hexdigest()

    def number(self) -> float:
        """A figure in 0..1 that depends on the whole past."""
        return int(self.digest[:8], 16) / 0xFFFFFFFF

    def average_precision(self, epochs: int) -> float:
        """Rises with the epochs, of which the plan has so many, and carries a trace of the state."""
        return round(min(1.0, 0.5 * self.epoch / epochs + 0.01 * self.number()), 3)


def batches_of_epoch(seed: int, epoch: int, count: int, size: int) -> list[list[int]]:
    """Indices of samples, each sample once, in an order that follows from (seed, epoch)."""
    samples = list(range(count * size))
    random.Random(f"{seed} {epoch}").shuffle(samples)
    return [samples[first : first + size] for first in range(0, len(samples), size)]
