"""Context that every rank of `train` and `test` shares: inputs, rank, progress file and outcome."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.job.control import ControlFile
from everswin_trainer.job.folder import Attempt, Job, is_stop_requested
from everswin_trainer.job.heartbeat import HeartbeatWriter
from everswin_trainer.job.outcome import FINISHED, PREEMPTED
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import Progress, ProgressReader
from everswin_trainer.job.stop_request import PREEMPTED_EXIT_CODE, Preempted, StopRequest
from everswin_trainer.model import deferred_imports, mmcv_ops
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.system.process_setup import prepare_process
from everswin_trainer.training.rank import Rank


@dataclass(frozen=True)
class Context:
    """Inputs and services of one rank. `progress` is None except on rank 0; all ranks read what was `recorded`."""

    plan: Plan
    recipe: Config
    data: PreparedData
    job: Job
    attempt: Attempt
    rank: Rank
    heartbeats: HeartbeatWriter
    control: ControlFile
    stop: StopRequest
    progress: Progress | None
    recorded: ProgressReader

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> "Context":
        """Creates the context from the arguments of `add_arguments`. Raises ValueError if plan and recipe differ."""
        job, attempt = Job.of_rank(arguments.job_dir), Attempt.from_environment()
        stop = StopRequest(lambda: is_stop_requested(job)).install()
        prepare_process(arguments.device)
        rank = Rank.from_environment(arguments.device)
        # After prepare_process, which installs the SIGUSR1 handler: the supervisor sends it to silent ranks.
        heartbeats = HeartbeatWriter(job, rank.number)
        deferred_imports.install()
        mmcv_ops.install()
        plan = Plan.load(arguments.plan)
        return cls(
            plan=plan,
            recipe=load_recipe(arguments.recipe, plan),
            data=PreparedData.at(arguments.data),
            job=job,
            attempt=attempt,
            rank=rank,
            heartbeats=heartbeats,
            control=ControlFile(job, plan),
            stop=stop,
            progress=Progress(job.progress, attempt.number) if rank.is_rank0 else None,
            recorded=ProgressReader(job.progress),
        )

    def enter_work_dir(self) -> Path:
        """Creates MMEngine's work folder and changes to it: ranks exchange results through files there."""
        folder = self.job.run / "mmengine"
        folder.mkdir(exist_ok=True)
        os.chdir(folder)
        return folder

    def write_started(
        self,
        position: tuple[int, int],
        iterations_per_epoch: int,
        epochs: int,
        resumed_from: Path | None,
        pids: list[int],
        versions: dict[str, str],
    ) -> None:
        """Writes the event `started`. `position` is (completed epochs, completed iterations)."""
        if self.progress:
            self.progress.write(
                "started",
                fence=self.attempt.fence,
                epoch=position[0],
                iteration=position[1],
                iterationsPerEpoch=iterations_per_epoch,
                epochs=epochs,
                planHash=self.plan.plan_hash,
                control=self.control.now().fixed(),
                worldSize=self.rank.world,
                device=self.rank.device,
                resumedFrom=resumed_from.name if resumed_from else None,
                pids=pids,
                versions=versions,
            )

    def run(self, work: Callable[[], tuple[int, int]]) -> int:
        """Runs `work`, which returns the position it reached, writes the outcome and returns the exit code."""
        try:
            position = work()
        except Preempted as preempted:
            self._write_ended(PREEMPTED, (preempted.epoch, preempted.iteration))
            # Skips the shutdown of loader workers and process groups, which would block.
            sys.stdout.flush()
            os._exit(PREEMPTED_EXIT_CODE)
        self._write_ended(FINISHED, position)
        return 0

    def _write_ended(self, reason: str, position: tuple[int, int]) -> None:
        if self.progress:
            self.progress.write("ended", reason=reason, epoch=position[0], iteration=position[1])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--job-dir", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
