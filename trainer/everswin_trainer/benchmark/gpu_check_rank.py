"""Runs one rank of `gpu-check` (gpu_check.py): short trainings with the runner and hooks of a real one.

Each training builds a new runner from the same seed and trains on the same batches, starting with the first. So no
variant inherits weights, optimizer state, random numbers or memory of another. Two trainings differ by their switches
and by the noise of the GPU alone, and the memory is that of one training. Switches change the configuration of a runner
or its own model, never the process. What remains in the process are the CUDA context, loaded libraries and compiled
code.
"""

import argparse
import gc
import json
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.distributed.elastic.multiprocessing.errors import record

from everswin_trainer.benchmark.gpu_check_summary import STAGE, profiled_steps
from everswin_trainer.benchmark.gpu_trace import GpuTrace, read_trace
from everswin_trainer.gpu.peak_flops import peak_flops
from everswin_trainer.job.control import ControlFile
from everswin_trainer.job.folder import Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import Progress, replace_non_finite
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.training.context import Context, add_arguments

BYTES_PER_MEBIBYTE = 1 << 20
MILLISECONDS = 1e3


@dataclass(frozen=True)
class Settings:
    """What to measure, written by the parent process. Times are those of time.monotonic()."""

    # Plans by variant.
    plans: dict[str, str]
    # Variants whose trainings alternate, and those that compile, which come last.
    alternating: list[str]
    compiled: list[str]
    rounds: int
    steps: int
    warm_up: int
    # Ends of the alternating trainings and of the complete check, and the limit of each compiled variant.
    alternating_until: float
    ends_at: float
    compile_seconds: float


@dataclass
class Training:
    """The figures of one training. `seconds` and `losses` have one number per step."""

    variant: str
    round: int
    seconds: list[float] = field(default_factory=list)
    losses: list[float | None] = field(default_factory=list)
    # FLOPs of each step on this rank's GPU, in the first training only: all others have the same.
    flops: list[float] = field(default_factory=list)
    # Seconds that each step waited for its batch.
    data_seconds: list[float] = field(default_factory=list)
    # Mean positive boxes per image, by stage.
    positives: list[float] = field(default_factory=list)
    peak_memory_mib: float | None = None
    reserved_memory_mib: float | None = None


class MeasurementDone(Exception):
    """Raised to end a training after the requested steps, or at the end of its time."""


@record
def main(argv: list[str]) -> int:
    """Rank 0 writes {trainings, traces, errors, versions, memoryInUseMib, peakFlops} after each training."""
    parser = argparse.ArgumentParser(prog="everswin_trainer gpu-check-rank")
    add_arguments(parser)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    context = Context.from_arguments(arguments)
    # There is nothing to save: SIGTERM ends this process at once, also while it compiles.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    settings = Settings(**json.loads(arguments.settings.read_text()))
    Measurement(context, settings, arguments.weights, arguments.out.resolve()).run()
    dist.destroy_process_group()
    return 0


class Measurement:
    """All trainings of one rank. Each decision that may differ between ranks is that of all or of rank 0."""

    def __init__(self, context: Context, settings: Settings, weights: Path | None, out: Path) -> None:
        self._context = context
        self._settings = settings
        self._weights = weights
        self._out = out
        self._trainings: list[Training] = []
        self._traces: dict[str, GpuTrace] = {}
        self._errors: dict[str, str] = {}
        self._memory_in_use = memory_in_use_mib(context)
        self._peak_flops: float | None = None
        self._context.rank.connect()

    def run(self) -> None:
        settings = self._settings
        for number in range(1, settings.rounds + 1):
            for position, name in enumerate(settings.alternating):
                left = (settings.rounds - number + 1) * len(settings.alternating) - position
                self._attempt(name, number, settings.alternating_until, left)
        for name in settings.alternating:
            self._profile(name, settings.ends_at)
        for name in settings.compiled:
            until = min(settings.ends_at, time.monotonic() + settings.compile_seconds)
            # Round 0 compiles.
            for number in range(settings.rounds + 1):
                self._attempt(name, number, until, settings.rounds + 1 - number if number > 0 else 1)
            self._profile(name, until)

    def _attempt(self, name: str, number: int, until: float, left: int) -> None:
        """Trains variant `name`, with an equal share of the time for each of the `left` trainings until `until`."""
        if name in self._errors or self._is_over(until):
            return
        steps = self._settings.warm_up + 1 if number == 0 else self._settings.steps
        share = time.monotonic() + (until - time.monotonic()) / left
        stage = f"{name}, compiling" if number == 0 else f"{name}, round {number} of {self._settings.rounds}"
        self._report(stage, 0, steps, until)
        training = Training(name, number)

        def step_done(done: int) -> bool:
            self._report(stage, done, steps, until)
            is_last = done == steps or time.monotonic() > share
            return self._context.rank.all_reduce_any(is_last)[0]

        with self._recording_errors(name):
            hook = MeasuringHook(training, self._context.rank.device, step_done)
            self._train(name, number, hook, training)
            if number > 0:
                self._trainings.append(training)
        self._write()

    def _profile(self, name: str, until: float) -> None:
        """Profiles a few steps whose times the trainings have measured: the profiler would lengthen them."""
        if self._context.rank.device == "cpu" or name in self._errors or self._is_over(until):
            return
        first, last = profiled_steps(self._settings.steps, self._settings.warm_up)
        self._report(f"{name}, profile", 0, last, until)
        with self._recording_errors(name):
            hook = ProfilingHook(first, last)
            self._train(name, self._settings.rounds + 1, hook, Training(name, 0))
            if hook.trace is not None:
                self._traces[name] = hook.trace
        self._write()

    def _train(self, name: str, number: int, hook: Hook, training: Training) -> None:
        """Trains from the start until the hook raises MeasurementDone. Frees the memory at the end."""
        # Imported here: MMDetection takes seconds to import, and needs mmcv's ops and CUDA to be set up.
        from everswin_trainer.benchmark.trained_proposals import imitate_trained_proposals
        from everswin_trainer.model.flops import FlopCounter
        from everswin_trainer.training.run import Start, assemble
        from everswin_trainer.training.state import bare_model

        with self._fresh_memory(training):
            runner = assemble(self._context_of(name, number), Start.choose(self._weights, None, None))
            model = bare_model(runner)
            positives = imitate_trained_proposals(model.roi_head)
            if not self._trainings:
                runner.register_hook(FlopsHook(FlopCounter(model), training.flops))
                self._peak_flops = peak_flops_of(runner)
            runner.register_hook(hook)
            try:
                runner.train()
            except MeasurementDone:
                training.positives = positives.means()
            # Ends the loader processes. Garbage collection would close the queues first that tell them to end, and
            # then wait 5 s for each.
            runner.train_dataloader._iterator = None
            del runner, model

    def _context_of(self, name: str, number: int) -> Context:
        """Returns the context of one training, with the variant's plan and a job folder of its own."""
        context = self._context
        plan = Plan.load(self._settings.plans[name])
        job = Job.at(context.job.folder / f"{name}-{number}")
        recipe = type(context.recipe)(context.recipe.to_dict())
        # MMEngine names global objects after it, so that two trainings share none of them.
        recipe.experiment_name = f"{name}-{number}"
        return replace(
            context,
            plan=plan,
            recipe=recipe,
            job=job,
            control=ControlFile(job, plan),
            progress=Progress(job.progress, 0) if context.rank.is_rank0 else None,
        )

    @contextmanager
    def _fresh_memory(self, training: Training) -> Iterator[None]:
        is_cuda = self._context.rank.device == "cuda"
        if is_cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            yield
        finally:
            if is_cuda:
                training.peak_memory_mib = torch.cuda.max_memory_allocated() / BYTES_PER_MEBIBYTE
                training.reserved_memory_mib = torch.cuda.max_memory_reserved() / BYTES_PER_MEBIBYTE
            # Runner, hooks and model refer to each other. Loader processes end with them.
            gc.collect()

    @contextmanager
    def _recording_errors(self, name: str) -> Iterator[None]:
        """Records an error of a variant, so that the others are still measured. Several ranks would wait forever."""
        try:
            yield
        except Exception as error:
            if self._context.rank.world > 1 or name == next(iter(self._settings.plans)):
                raise
            self._errors[name] = "".join(traceback.format_exception(error))
            gc.collect()

    def _is_over(self, until: float) -> bool:
        return self._context.rank.all_reduce_any(time.monotonic() > until)[0]

    def _report(self, stage: str, done: int, total: int, until: float) -> None:
        """Tells the parent process what runs and until when. A plain write, because a sync of the disk takes time."""
        if self._context.rank.is_rank0:
            line = {"stage": stage, "done": done, "total": total, "until": until}
            (self._out.parent / STAGE).write_text(json.dumps(line))

    def _write(self) -> None:
        if not self._context.rank.is_rank0:
            return
        from everswin_trainer.training.progress_hook import versions

        write_json(
            self._out,
            {
                "trainings": [vars(one) for one in self._trainings],
                "traces": {name: vars(trace) for name, trace in self._traces.items()},
                "errors": self._errors,
                "versions": versions(self._context.rank.device),
                "memoryInUseMib": self._memory_in_use,
                "peakFlops": self._peak_flops,
            },
            indent=None,
        )


class MeasuringHook(Hook):
    """Records each step: its loss, and the time since the end of the previous one, with data and hooks.

    On a GPU, CUDA events measure the times when the GPU gets there. Events and losses are read at the end, so the
    measurement makes the host wait for nothing. `step_done` gets the number of steps and returns whether training ends.
    """

    # Runs after all other hooks of a step.
    priority = "LOWEST"

    def __init__(self, training: Training, device: str, step_done: Any) -> None:
        self._training = training
        self._step_done = step_done
        self._clock = EventClock() if device == "cuda" else HostClock()
        self._losses: list[torch.Tensor] = []
        self._since = 0.0

    def before_train_epoch(self, runner: Runner) -> None:
        self._clock.tick()
        self._since = time.monotonic()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._training.data_seconds.append(time.monotonic() - self._since)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._clock.tick()
        self._losses.append(outputs["loss"].detach())
        if self._step_done(len(self._losses)):
            self._training.seconds = self._clock.seconds()
            self._training.losses = replace_non_finite(torch.stack(self._losses).tolist())
            raise MeasurementDone
        self._since = time.monotonic()


class FlopsHook(Hook):
    """Counts the FLOPs of each step."""

    def __init__(self, counter: Any, flops: list[float]) -> None:
        self._counter = counter
        self._flops = flops

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._flops.append(self._counter.take())


class HostClock:
    """Times between the calls of `tick` on the host."""

    def __init__(self) -> None:
        self._ticks: list[float] = []

    def tick(self) -> None:
        self._ticks.append(time.monotonic())

    def seconds(self) -> list[float]:
        return [end - start for start, end in zip(self._ticks, self._ticks[1:], strict=False)]


class EventClock:
    """Times between the moments at which the GPU arrives at each `tick`."""

    def __init__(self) -> None:
        self._ticks: list[torch.cuda.Event] = []

    def tick(self) -> None:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._ticks.append(event)

    def seconds(self) -> list[float]:
        torch.cuda.synchronize()
        pairs = zip(self._ticks, self._ticks[1:], strict=False)
        return [start.elapsed_time(end) / MILLISECONDS for start, end in pairs]


class ProfilingHook(Hook):
    """Profiles the GPU from step `first` to before step `last`, and ends the training. Steps count from 0."""

    priority = "LOWEST"

    def __init__(self, first: int, last: int) -> None:
        self._first = first
        self._last = last
        self._profiler: AbstractContextManager[Any] | None = None
        self.trace: GpuTrace | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == self._first:
            torch.cuda.synchronize()
            # Without ProfilerActivity.CPU, which would record each operation of PyTorch and slow down the host.
            self._profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
            self._profiler.__enter__()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if batch_idx + 1 == self._last and self._profiler is not None:
            torch.cuda.synchronize()
            self._profiler.__exit__(None, None, None)
            with TemporaryDirectory() as folder:
                file = Path(folder) / "trace.json"
                self._profiler.export_chrome_trace(str(file))
                self.trace = read_trace(json.loads(file.read_bytes()))
            raise MeasurementDone


def peak_flops_of(runner: Runner) -> float | None:
    """Returns the peak of this rank's GPU in the precision of the recipe; None if it is unknown, and on a CPU."""
    if not torch.cuda.is_available():
        return None
    # Imports MMDetection, for which the context installed the operations.
    from everswin_trainer.training.mfu import precision_of

    return peak_flops(torch.cuda.get_device_name(), precision_of(runner.cfg.optim_wrapper))


def memory_in_use_mib(context: Context) -> float | None:
    """Returns the used memory of this rank's GPU before training: other processes and a CUDA context. None on a CPU."""
    if context.rank.device == "cpu":
        return None
    free, total = torch.cuda.mem_get_info(context.rank.local)
    return (total - free) / BYTES_PER_MEBIBYTE
