"""A deterministic stand-in trainer of a few seconds: the files, events and endings of the real one, without torch.

"Training" is a chain of hashes over (seed, step), so the final state of a run that was killed and resumed can be
compared byte for byte with that of an uninterrupted one. For tests; its switches make it fail in every way we know.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .checkpoint import Checkpoint, Origin, of_checkpoint, save, sweep
from .ending import FINISHED, PREEMPTED
from .job import Attempt, Job
from .plan import Plan
from .progress import Progress, box_average_precision, read_events
from .retention import retain
from .whole_file import write_json

PREEMPTED_EXIT_CODE = 143


def main(argv: list[str]) -> int:
    """Trains to the end (0), until SIGTERM (143) or until one of the asked-for faults."""
    arguments = parse(argv)
    stop = StopFlag(arguments.ignore_sigterm)
    try:
        return MiniTrainer(arguments).run(stop)
    except Exception as error:
        leave_error_file(error)
        raise


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer mini")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--job-dir", type=Path, required=True)
    parser.add_argument("--resume", type=Path, help="a checkpoint file of this plan")
    parser.add_argument("--epochs", type=int, help="instead of the plan's")
    parser.add_argument("--steps-per-epoch", type=int, default=10)
    parser.add_argument("--step-seconds", type=float, default=0.01)
    parser.add_argument("--checkpoint-bytes", type=int, default=1024, help="size of a checkpoint, at least")
    faults = parser.add_argument_group("faults, at the end of step N of the run, before anything is said about it")
    faults.add_argument("--fault-attempt", type=int, help="only in this attempt (default: in every one)")
    faults.add_argument("--fail-at-step", type=int, metavar="N", help="raises, or ends with --fail-code")
    faults.add_argument("--fail-code", type=int)
    faults.add_argument("--fail-message", default="the mini trainer was told to fail")
    faults.add_argument("--kill-at-step", type=int, metavar="N", help="SIGKILL to itself")
    faults.add_argument("--hang-at-step", type=int, metavar="N", help="stops stepping but stays alive")
    faults.add_argument("--nan-at-step", type=int, metavar="N", help="loss is null from here on")
    faults.add_argument("--ignore-sigterm", action="store_true")
    return parser.parse_args(argv)


class StopFlag:
    """Remembers SIGTERM, to be honoured between two steps."""

    def __init__(self, ignored: bool) -> None:
        self.raised = False
        signal.signal(signal.SIGTERM, signal.SIG_IGN if ignored else self._raise)

    def _raise(self, _number: int, _frame: Any) -> None:
        self.raised = True


@dataclass
class State:
    """Everything that a checkpoint holds."""

    epoch: int
    iteration: int
    digest: str

    @classmethod
    def fresh(cls, seed: int) -> "State":
        return cls(0, 0, hashlib.sha256(f"seed {seed}".encode()).hexdigest())

    def step(self) -> None:
        self.iteration += 1
        self.digest = hashlib.sha256(f"{self.digest} {self.iteration}".encode()).hexdigest()

    def number(self) -> float:
        """A figure in 0..1 that depends on the whole past."""
        return int(self.digest[:8], 16) / 0xFFFFFFFF


class MiniTrainer:
    """One attempt."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.plan = Plan.load(arguments.plan)
        self.job = Job.at(arguments.job_dir)
        self.attempt = Attempt.from_environment()
        self.arguments = arguments
        self.faulty = arguments.fault_attempt in (None, self.attempt.number)
        self.epochs = arguments.epochs or self.plan.epochs
        self.state = State.fresh(self.plan.seed)
        if arguments.resume:
            of_checkpoint(arguments.resume, self.plan.plan_hash)
            self.state = State(**json.loads(arguments.resume.read_bytes().split(b"\n", 1)[0]))
        self.saved_at = self.state.iteration
        self.past = read_events(self.job.progress)
        self.progress = Progress(self.job.progress, self.attempt.number)

    def run(self, stop: StopFlag) -> int:
        sweep(self.job.checkpoints)
        self.say_started()
        if self.at_epoch_end() and self.state.iteration > 0 and not self.is_validated():
            self.validate()
        while self.state.epoch < self.epochs:
            if stop.raised:
                if self.state.iteration > self.saved_at:
                    self.save()
                return self.end(PREEMPTED, PREEMPTED_EXIT_CODE)
            self.train_step()
            if self.state.iteration % self.arguments.steps_per_epoch == 0:
                self.state.epoch += 1
                checkpoint = self.save()
                self.validate()
                retain(self.job.checkpoints, checkpoint, self.plan.keep_last, box_average_precision(self.past))
        return self.end(FINISHED, 0)

    def train_step(self) -> None:
        begin = time.monotonic()
        time.sleep(self.arguments.step_seconds)
        self.state.step()
        if self.faulty:
            self.fault(self.state.iteration)
        at_end = self.at_epoch_end()
        if at_end or self.state.iteration % self.plan.log_every_steps == 0:
            self.say_step(time.monotonic() - begin)

    def fault(self, step: int) -> None:
        asked = self.arguments
        if step == asked.kill_at_step:
            os.kill(os.getpid(), signal.SIGKILL)
        if step == asked.hang_at_step:
            while True:
                time.sleep(3600)
        if step == asked.fail_at_step:
            if asked.fail_code is not None:
                sys.exit(asked.fail_code)
            raise RuntimeError(asked.fail_message)

    def save(self) -> Checkpoint:
        begin = time.monotonic()
        origin = Origin(self.plan.plan_hash, self.attempt, None)
        body = json.dumps(vars(self.state)).encode() + b"\n"
        filled = body.ljust(self.arguments.checkpoint_bytes, b".")
        state = self.state
        saved = save(self.job.checkpoints, state.epoch, state.iteration, origin, lambda stream: stream.write(filled))
        self.saved_at = saved.iteration
        self.progress.write(
            "checkpoint",
            file=saved.path.name,
            epoch=saved.epoch,
            iteration=saved.iteration,
            bytes=saved.bytes,
            sha256=saved.sha256,
            seconds=time.monotonic() - begin,
        )
        return saved

    def validate(self) -> None:
        """AP rises with the epochs and carries a trace of the state; there are no small objects."""
        score = round(0.5 * self.state.epoch / self.epochs + 0.01 * self.state.number(), 3)
        figures = {"AP": score, "AP50": score, "AP75": score, "APs": None, "APm": score, "APl": score}
        position = {"epoch": self.state.epoch, "iteration": self.state.iteration}
        self.progress.write("validation", **position, bbox=figures, segm=figures)
        self.past.append({"type": "validation", **position, "bbox": figures})

    def say_started(self) -> None:
        resume = self.arguments.resume
        self.progress.write(
            "started",
            fence=self.attempt.fence,
            epoch=self.state.epoch,
            iteration=self.state.iteration,
            iterationsPerEpoch=self.arguments.steps_per_epoch,
            epochs=self.epochs,
            worldSize=1,
            device="cpu",
            resumedFrom=resume.name if resume else None,
            pids=[os.getpid()],
            versions={"python": sys.version.split()[0]},
        )

    def say_step(self, step_seconds: float) -> None:
        nan_from = self.arguments.nan_at_step if self.faulty else None
        lost = nan_from is not None and self.state.iteration >= nan_from
        loss = None if lost else 4.0 / (1 + 0.1 * self.state.iteration) + 0.1 * self.state.number()
        total = self.epochs * self.arguments.steps_per_epoch
        self.progress.write(
            "step",
            epoch=(self.state.iteration - 1) // self.arguments.steps_per_epoch + 1,
            iteration=self.state.iteration,
            loss=loss,
            losses={"loss_cls": loss, "loss_bbox": loss},
            lr=1e-4,
            stepSeconds=step_seconds,
            dataSeconds=0.0,
            etaSeconds=(total - self.state.iteration) * step_seconds,
            memoryMb=None,
        )

    def end(self, reason: str, code: int) -> int:
        self.progress.write("ended", reason=reason, epoch=self.state.epoch, iteration=self.state.iteration)
        return code

    def at_epoch_end(self) -> bool:
        return self.state.iteration % self.arguments.steps_per_epoch == 0

    def is_validated(self) -> bool:
        return (self.state.epoch, self.state.iteration) in box_average_precision(self.past)


def leave_error_file(error: Exception) -> None:
    """What torchelastic's `record` leaves for a rank that raised."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        message = {"message": f"{type(error).__name__}: {error}", "extraInfo": {"timestamp": str(int(time.time()))}}
        write_json(Path(path), {"message": message})
