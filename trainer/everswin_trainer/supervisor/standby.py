"""A standby trainer: a process that has imported everything, and becomes the supervisor of the next attempt.

It uses no GPU and no lock. A worker keeps it while a trainer runs. After a crash it receives the command line
of `supervise` as a line on its standard input, and forks the ranks (forked_ranks.py), which saves the start of torchrun
and the imports. It ends with its standard input, and so with its worker.

It writes `ready` once it can be used, and `taken` when it has accepted the line. Until then the worker can start
another supervisor instead, because the standby has touched nothing.
"""

import argparse
import gc
import json
import os
import sys
import time
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path

from everswin_trainer.job.folder import Job
from everswin_trainer.system.proc_strings import ProcStrings
from everswin_trainer.system.process_setup import prepare_process
from everswin_trainer.system.process_tree import outlive_worker

OOM_SCORE = Path("/proc/self/oom_score_adj")
# The kernel kills the standby first when memory runs out.
FIRST_VICTIM = "1000"


def main(argv: list[str]) -> int:
    """Waits for a line and runs one attempt; returns the code of `supervise`, and 1 if it cannot be used."""
    arguments = parse(argv)
    strings = ProcStrings.find()
    strings.show([sys.executable, "-m", __package__.partition(".")[0], "standby", "--job-dir", arguments.job_dir], {})
    started_at = time.time()
    # MMDetection prints while it is imported.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    oom_score = OOM_SCORE.read_text()
    OOM_SCORE.write_text(FIRST_VICTIM)
    if arguments.ranks > 1:
        # As torchrun does. Libraries read it when they are imported.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    preload(arguments.device)
    require_safe_forks()
    code = imported_files()
    # Imported objects are never freed: without collections of them, forks share more memory.
    gc.collect()
    gc.freeze()
    print("ready", file=answers, flush=True)
    line = sys.stdin.readline()
    if line == "":
        return 0
    # Not at the top, because they import torch.
    from everswin_trainer.supervisor import forked_ranks, supervise

    request = json.loads(line)
    require_unchanged(code, started_at)
    options = options_of_supervise(request["argv"])
    launch = forked_ranks.Launch.parse(supervise.parse(options).program)
    if launch.ranks != arguments.ranks:
        raise ValueError(f"expected {arguments.ranks} ranks, got {launch.ranks}")
    strings.show([sys.executable, *request["argv"]], {})
    OOM_SCORE.write_text(oom_score)
    print("taken", file=answers, flush=True)
    answers.close()
    outlive_worker()
    os.environ.update(request["env"])
    redirect(Job.at(arguments.job_dir).log)
    print(f"supervise: the standby trainer (pid {os.getpid()}) starts this attempt", flush=True)
    return supervise.main(options, partial(forked_ranks.start, strings))


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer standby")
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("reserved", help="any text: reserves memory for the command lines that /proc shows")
    return parser.parse_args(argv)


def options_of_supervise(argv: list[str]) -> list[str]:
    """Returns the options of `supervise` in a command line of the interpreter."""
    expected = ["-m", __package__.partition(".")[0], "supervise"]
    if argv[:3] != expected:
        raise ValueError(f"expected {' '.join(expected)}, got {' '.join(argv[:3])}")
    return argv[3:]


def preload(device: str) -> None:
    """Imports what a rank imports until its first step. Initializes no GPU."""
    prepare_process(device)
    # MMEngine asks for GPUs while it is imported. The default check initializes CUDA, which does not survive a fork.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    from everswin_trainer.model import deferred_imports, mmcv_ops

    deferred_imports.install()
    mmcv_ops.install()
    # The runner imports the last one.
    for name in ("supervisor.supervise", "supervisor.forked_ranks", "training.train", "training.run"):
        import_module(f"everswin_trainer.{name}")
    import_module("mmdet.engine")
    # The first event imports it, if it is installed.
    with suppress(ImportError):
        import_module("tensorboard.summary.writer.record_writer")
    del os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"]


def require_safe_forks() -> None:
    """Raises RuntimeError if a fork of this process could not train: a library uses the GPU, or runs a thread."""
    import torch

    child = os.fork()
    if child == 0:
        os._exit(int(torch.cuda._is_in_bad_fork()))
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError("expected that no import initializes CUDA")
    # OpenBLAS ends its threads before a fork and starts them again when they are needed.
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"expected that no import leaves a thread running, got {threads - 1}")


def imported_files() -> dict[str, tuple[int, ...]]:
    """Returns the files of all imported modules, each with what a change of it changes."""
    paths = {str(path) for module in list(sys.modules.values()) if (path := getattr(module, "__file__", None))}
    return {path: _signature(path) for path in paths}


def require_unchanged(code: dict[str, tuple[int, ...]], started_at: float) -> None:
    """Raises RuntimeError if a file of `code` has changed since this process started: it runs the older code."""
    for path, signature in code.items():
        if _signature(path) != signature or signature[-1:] > (started_at * 1e9,):
            raise RuntimeError(f"{path} has changed since it was imported")


def _signature(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    # Not the time of the inode, which changes with the number of hard links: uv links packages into environments.
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def redirect(log: Path) -> None:
    """Writes to the log of the job from now on, and reads nothing."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, standard)
    os.close(output)
    os.close(nothing)
