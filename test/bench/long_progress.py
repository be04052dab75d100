"""Writes the progress.jsonl of a long training: 36 epochs of COCO, four ranks with two images, each step logged.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/long_progress.py FILE [--epochs 36]

Fields, names and digits are those of Swin-S Cascade Mask R-CNN. A crash after each third epoch repeats 500 steps.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

STEPS_PER_EPOCH = 117_266 // 8 + 1
CHECKPOINT_EVERY = 1000  # steps: ten minutes at 0.6 s a step
REPEATED = 500
STEP_SECONDS = 0.6
LOSSES = ["loss_rpn_cls", "loss_rpn_bbox"]
LOSSES += [f"s{stage}.{name}" for stage in range(3) for name in ("loss_cls", "acc", "loss_bbox", "loss_mask")]
PLAN_HASH, SHA256 = "a" * 64, "b" * 64


class Writer:
    def __init__(
        self, path: Path, epochs: int, steps_per_epoch: int = STEPS_PER_EPOCH, log_every_steps: int = 1
    ) -> None:
        self.stream = open(path, "w")  # noqa: SIM115
        self.epochs, self.attempt, self.t = epochs, 0, 1.7e9
        self.steps_per_epoch, self.log_every_steps = steps_per_epoch, log_every_steps
        self.draw = random.Random(1)

    def write_training(self) -> None:
        self.start(0)
        for epoch in range(1, self.epochs + 1):
            last = epoch * self.steps_per_epoch
            self.steps(last - self.steps_per_epoch + 1, last)
            self.validation(epoch)
            if epoch % 3 == 0 and epoch < self.epochs:
                self.steps(last + 1, last + min(REPEATED, self.steps_per_epoch // 2))
                self.start(last)
        self.stream.close()

    def write(self, kind: str, **fields: Any) -> None:
        event = {"v": 1, "type": kind, "t": self.t, "attempt": self.attempt, **fields}
        self.stream.write(json.dumps(event, separators=(",", ":")) + "\n")

    def start(self, iteration: int) -> None:
        self.attempt += 1
        self.t += 60
        resumed_from = f"e{iteration // self.steps_per_epoch:03}-i{iteration:06}.pth" if iteration else None
        self.write(
            "started",
            fence=self.attempt,
            epoch=iteration // self.steps_per_epoch,
            iteration=iteration,
            iterationsPerEpoch=self.steps_per_epoch,
            epochs=self.epochs,
            planHash=PLAN_HASH,
            worldSize=4,
            device="cuda",
            resumedFrom=resumed_from,
            pids=[1, 2, 3, 4],
            versions={"python": "3.11.9", "torch": "2.10.0"},
        )

    def steps(self, first: int, last: int) -> None:
        for iteration in range(first, last + 1):
            self.t += STEP_SECONDS
            if iteration % self.log_every_steps == 0:
                self.step(iteration)
            if iteration % CHECKPOINT_EVERY == 0 or iteration % self.steps_per_epoch == 0:
                self.checkpoint(iteration)

    def step(self, iteration: int) -> None:
        losses = {name: self.draw.random() for name in LOSSES}
        self.write(
            "step",
            epoch=(iteration - 1) // self.steps_per_epoch + 1,
            iteration=iteration,
            loss=sum(losses.values()),
            losses=losses,
            lr=1e-4,
            stepSeconds=STEP_SECONDS + self.draw.random() / 100,
            dataSeconds=self.draw.random() / 100,
            etaSeconds=(self.epochs * self.steps_per_epoch - iteration) * STEP_SECONDS,
            memoryMb=9000.25,
        )

    def checkpoint(self, iteration: int) -> None:
        epoch = iteration // self.steps_per_epoch
        if iteration % self.steps_per_epoch == 0:
            hashes = {"samples": [SHA256] * 4, "random": [SHA256] * 4, "weights": SHA256, "optimizer": SHA256}
            self.write("epoch", epoch=epoch, iteration=iteration, **hashes)
        self.write(
            "checkpoint",
            file=f"e{epoch:03}-i{iteration:06}.pth",
            epoch=epoch,
            iteration=iteration,
            bytes=1_282_000_000,
            sha256=SHA256,
            seconds=5.0,
            blockedSeconds=0.3,
            checkpointNow=0,
            intervalSeconds=600.0,
        )

    def validation(self, epoch: int) -> None:
        self.t += 300
        scores = dict.fromkeys(("AP", "AP50", "AP75", "APs", "APm", "APl"), epoch / 100)
        self.write(
            "validation", epoch=epoch, iteration=epoch * self.steps_per_epoch, bbox=scores, segm=scores, seconds=300.0
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="long_progress.py")
    parser.add_argument("file", type=Path)
    parser.add_argument("--epochs", type=int, default=36)
    arguments = parser.parse_args()
    Writer(arguments.file, arguments.epochs).write_training()


if __name__ == "__main__":
    main()
