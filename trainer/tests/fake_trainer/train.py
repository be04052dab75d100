"""Runs a deterministic fake training of a few seconds, with the files, events and exit codes of the real one.

"Training" is a chain of hashes over (seed, samples, learning rate), so the final state of a run that was killed and
resumed can be compared byte for byte with that of an uninterrupted one. Its switches inject every known fault.
"""

import argparse
import dataclasses
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import BinaryIO

from everswin_trainer.checkpoints.checkpoint import Origin, load_checkpoint, sweep_checkpoints
from everswin_trainer.checkpoints.saver import Saver, StateCopy
from everswin_trainer.job.control import ControlFile
from everswin_trainer.job.folder import Attempt, Job, is_stop_requested
from everswin_trainer.job.heartbeat import SAVING, STEP, VALIDATION, HeartbeatWriter
from everswin_trainer.job.outcome import FINISHED, PREEMPTED
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import Progress, ProgressReader, box_average_precision, newest_request
from everswin_trainer.job.stop_request import PREEMPTED_EXIT_CODE, Preempted, StopRequest
from everswin_trainer.system.process_setup import prepare_process
from everswin_trainer.training.loss_watch import LossWatch
from everswin_trainer.training.skipping import after_first
from fake_trainer.faults import Faults, add_fault_arguments, leave_error_file
from fake_trainer.state import State, batches_of_epoch

LEARNING_RATE = 1e-4


def main(argv: list[str]) -> int:
    """Trains to the end (returns 0), until SIGTERM (143) or until an injected fault."""
    arguments = parse(argv)
    prepare_process("cpu")
    try:
        return FakeTrainer(arguments).run()
    except Exception as error:
        leave_error_file(error)
        raise


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fake_trainer train")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--job-dir", type=Path, required=True)
    parser.add_argument("--resume", type=Path, help="a checkpoint file of this plan")
    parser.add_argument("--resume-plan", help="plan hash of --resume, if it belongs to another plan")
    parser.add_argument("--until", type=int, help="save and stop after this iteration")
    parser.add_argument("--epochs", type=int, help="overrides the epochs of the plan")
    parser.add_argument("--steps-per-epoch", type=int, default=10)
    parser.add_argument("--step-seconds", type=float, default=0.01)
    parser.add_argument("--mfu", type=float, help="share of the peak of an imaginary GPU")
    parser.add_argument("--validation-seconds", type=float, default=0.0)
    parser.add_argument("--checkpoint-bytes", type=int, default=1024, help="minimum size of a checkpoint")
    parser.add_argument("--save-seconds", type=float, default=0.0, help="duration of writing a checkpoint")
    add_fault_arguments(parser)
    return parser.parse_args(argv)


class FakeTrainer:
    """Trains in one attempt."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.job, self.attempt = Job.of_rank(arguments.job_dir), Attempt.from_environment()
        self.stop = StopRequest(lambda: is_stop_requested(self.job)).install()
        if arguments.ignore_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.heartbeats = HeartbeatWriter(self.job, int(os.environ.get("RANK", "0")))
        self.plan = Plan.load(arguments.plan)
        self.plan = dataclasses.replace(self.plan, epochs=arguments.epochs or self.plan.epochs)
        self.control = ControlFile(self.job, self.plan)
        self.learning_rate_factor = self.control.now().learning_rate_factor
        self.epochs = self.control.now().epochs
        self.faults = Faults(arguments, self.attempt, self.control.now())
        self.loss_watch = LossWatch()
        self.state = self.first_state()
        self.saved_iteration = self.state.iteration
        self.recorded = ProgressReader(self.job.progress)
        self.request = newest_request(self.recorded.events())
        self.progress = Progress(self.job.progress, self.attempt.number)
        origin = Origin(self.plan.plan_hash, self.attempt, None)
        # The learning rate never drops, so there are no milestones.
        self.saver = Saver(self.job, self.plan, origin, self.progress, self.recorded, milestones=frozenset())

    def first_state(self) -> State:
        arguments = self.arguments
        if arguments.resume is None:
            return State.fresh(self.plan.seed)
        load_checkpoint(arguments.resume, arguments.resume_plan or self.plan.plan_hash)
        state = State.load(arguments.resume)
        if arguments.resume_plan:
            # An epoch of the other plan may have a different number of steps.
            state.iteration = state.epoch * arguments.steps_per_epoch
        return state

    def run(self) -> int:
        sweep_checkpoints(self.job.checkpoints)
        self.report_started()
        self.schedule_save()
        try:
            self.train()
        except Preempted:
            self.report_ended(PREEMPTED)
            return PREEMPTED_EXIT_CODE
        self.wait_for_save()
        self.report_ended(FINISHED)
        return 0

    def train(self) -> None:
        if (
            self.arguments.until is None
            and self.state.iteration > 0
            and self.at_epoch_end()
            and not self.is_validated()
        ):
            self.validate()
        while self.state.epoch < self.epochs:
            samples = self.train_epoch()
            # The save runs in the background during the validation.
            self.save(samples)
            self.stop_if_requested()
            self.epochs = self.control.now().epochs
            self.validate()

    def train_epoch(self) -> list[list[int]]:
        """Trains an epoch, without the batches that the resumed checkpoint already contains. Returns all batches."""
        per_epoch = self.arguments.steps_per_epoch
        batches = batches_of_epoch(self.plan.seed, self.state.epoch, per_epoch, self.plan.batch_per_gpu)
        for batch in after_first(batches, self.state.iteration - self.state.epoch * per_epoch):
            self.stop_if_requested()
            self.train_step(batch)
            if not self.at_epoch_end() and self.save_is_due():
                self.save()
        self.state.epoch += 1
        return batches

    def train_step(self, batch: list[int]) -> None:
        begin = time.monotonic()
        time.sleep(self.arguments.step_seconds)
        self.state.step(batch, self.learning_rate_factor)
        self.faults.strike(self.state.iteration, self.saver.wait)
        loss = self.loss()
        if self.at_epoch_end() or self.state.iteration % self.plan.log_every_steps == 0:
            self.report_step(loss, time.monotonic() - begin)
        self.heartbeats.send(STEP)
        self.loss_watch.observe(loss, self.state.iteration)
        self.saver.raise_if_failed()

    def loss(self) -> float:
        """Returns the loss; NaN if that fault is due."""
        lost = self.faults.loss_is_lost(self.state.iteration)
        return math.nan if lost else 4.0 / (1 + 0.1 * self.state.iteration) + 0.1 * self.state.number()

    def stop_if_requested(self) -> None:
        """Saves and raises Preempted if a stop was requested, or at the iteration to stop after."""
        if not self.stop.requested and self.state.iteration != self.arguments.until:
            return
        if self.state.iteration > self.saved_iteration:
            self.save()
        self.wait_for_save()
        raise Preempted(self.state.epoch, self.state.iteration)

    def save_is_due(self) -> bool:
        requested = self.control.now().checkpoint_now > self.request
        return requested or time.monotonic() - self.saved_at >= self.seconds_to_save

    def save(self, samples: list[list[int]] | None = None) -> None:
        """Saves; `samples` are those of the epoch that ends."""
        begin = time.monotonic()
        self.heartbeats.send(SAVING)
        iteration, is_finite = self.state.iteration, math.isfinite(self.loss())
        content = self.state.dump(self.arguments.checkpoint_bytes)

        def write(stream: BinaryIO) -> None:
            half = len(content) // 2
            stream.write(content[:half])
            time.sleep(self.arguments.save_seconds)
            self.faults.strike_while_saving(iteration)
            stream.write(content[half:])

        self.request = self.control.now().checkpoint_now
        record = None if samples is None else self.state.hashes(samples)
        copy = StateCopy(
            self.state.epoch, iteration, len(content), write, lambda: is_finite, record and (lambda: record)
        )
        self.saver.save(copy, request=self.request, blocked_since=begin)
        self.saved_iteration = iteration
        self.schedule_save()

    def schedule_save(self) -> None:
        self.seconds_to_save = self.saver.interval_seconds()
        self.saved_at = time.monotonic()

    def wait_for_save(self) -> None:
        self.heartbeats.send(SAVING)
        self.saver.wait()

    def validate(self) -> None:
        """Writes the validation event, without small objects."""
        begin = time.monotonic()
        while True:
            self.heartbeats.send(VALIDATION)
            self.stop_if_requested()
            self.saver.raise_if_failed()
            seconds = time.monotonic() - begin
            if seconds >= self.arguments.validation_seconds:
                break
            time.sleep(0.02)
        score = self.state.average_precision(self.plan.epochs)
        scores = {"AP": score, "AP50": score, "AP75": score, "APs": None, "APm": score, "APl": score}
        position = {"epoch": self.state.epoch, "iteration": self.state.iteration}
        self.progress.write("validation", **position, seconds=seconds, bbox=scores, segm=scores)
        self.saver.retain()

    def report_started(self) -> None:
        resume = self.arguments.resume
        self.progress.write(
            "started",
            fence=self.attempt.fence,
            epoch=self.state.epoch,
            iteration=self.state.iteration,
            iterationsPerEpoch=self.arguments.steps_per_epoch,
            epochs=self.epochs,
            planHash=self.plan.plan_hash,
            control=self.control.now().fixed(),
            worldSize=1,
            device="cpu",
            resumedFrom=resume.name if resume else None,
            pids=[os.getpid()],
            versions={"python": sys.version.split()[0]},
        )

    def report_step(self, loss: float, step_seconds: float) -> None:
        total = self.epochs * self.arguments.steps_per_epoch
        self.progress.write(
            "step",
            epoch=(self.state.iteration - 1) // self.arguments.steps_per_epoch + 1,
            iteration=self.state.iteration,
            loss=loss,
            losses={"loss_cls": loss, "loss_bbox": loss},
            lr=LEARNING_RATE * self.learning_rate_factor,
            stepSeconds=step_seconds,
            dataSeconds=0.0,
            imagesPerSecond=self.plan.gpus * self.plan.batch_per_gpu / step_seconds,
            mfu=self.arguments.mfu,
            etaSeconds=(total - self.state.iteration) * step_seconds,
            memoryMb=None,
        )

    def report_ended(self, reason: str) -> None:
        self.progress.write("ended", reason=reason, epoch=self.state.epoch, iteration=self.state.iteration)

    def at_epoch_end(self) -> bool:
        return self.state.iteration % self.arguments.steps_per_epoch == 0

    def is_validated(self) -> bool:
        return (self.state.epoch, self.state.iteration) in box_average_precision(self.recorded.events())
