"""The supervisor: holds the job's lock, runs one program, ends its whole process tree and records how it ended.

Started detached by a worker; any later worker finds it by owner.json. Imports nothing heavy: it is up in about 50 ms.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from everswin_trainer.gpu.lease import Lease
from everswin_trainer.gpu.wait import AskerGone, GpuRequest, NotEnoughGpus, StopRequested, add_arguments
from everswin_trainer.job.ending import CRASHED, FINISHED, HUNG, PREEMPTED, Ended, Stall, write_exit
from everswin_trainer.job.folder import Attempt, Job, living_owner, write_owner
from everswin_trainer.job.heartbeat import PHASES, read_heartbeats
from everswin_trainer.job.rank_logs import prune_rank_logs
from everswin_trainer.supervisor.ballast import load_ballast, making_room
from everswin_trainer.supervisor.hosts import Hosts
from everswin_trainer.supervisor.hosts import add_arguments as add_host_arguments
from everswin_trainer.supervisor.lock import SURVIVOR_SECONDS, JobLock, JobLocked, acquire
from everswin_trainer.supervisor.ranks import ERROR_FILE_ENV, Ranks
from everswin_trainer.supervisor.stack_traces import write_stack_traces
from everswin_trainer.supervisor.watchdog import Watchdog
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.system.process_tree import become_subreaper, descendants, die_with_parent, kill
from everswin_trainer.system.signals import Signals

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
WATCHED_SIGNALS = STOP_SIGNALS | {signal.SIGCHLD}
# torchrun kills its ranks 30 s after it was asked to stop; ours must come later.
DEFAULT_GRACE_SECONDS = 45.0
# How often the watchdog looks.
POLL_SECONDS = 0.5
# Interval at which the log is searched for the launcher's report, once it is due.
REPORT_SECONDS = 0.05
# Wait status of torchrun when a rank failed.
RANK_FAILED_STATUS = 1 << 8
EXIT_CODES = {FINISHED: 0, CRASHED: 1, HUNG: 1, PREEMPTED: 143}
# EX_TEMPFAIL: try again later.
LOCKED_EXIT_CODE = 75
# EX_UNAVAILABLE: the machine has fewer GPUs than that.
NOT_ENOUGH_GPUS_EXIT_CODE = 69


def main(argv: list[str]) -> int:
    """Runs one attempt. Returns 0 finished, 1 crashed or hung, 143 preempted.

    75 (locked, or the asker has ended) and 69 (too few GPUs on this machine) leave the job untouched.
    """
    arguments = parse(argv)
    # Blocks signals until `Signals` or sigtimedwait collects them, so that none arrives between two checks.
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED_SIGNALS)
    job = Job.at(arguments.job_dir, arguments.run_dir)
    try:
        lock = acquire(job)
    except JobLocked as error:
        return refuse(LOCKED_EXIT_CODE, "locked", error, owner=living_owner(job))
    own_session()
    become_subreaper()
    attempt = Attempt(arguments.attempt, arguments.fence)
    request, hosts = GpuRequest.of(arguments), Hosts.of(arguments, job, attempt)
    try:
        lease = Lease([], []) if request is None else hosts.acquire_gpus(request, STOP_SIGNALS)
    except NotEnoughGpus as error:
        return refuse(NOT_ENOUGH_GPUS_EXIT_CODE, "never-enough-gpus", error)
    except AskerGone:
        return LOCKED_EXIT_CODE
    except StopRequested:
        lease = None
    for stale in (job.exit, job.error, job.stop):
        stale.unlink(missing_ok=True)
    shutil.rmtree(job.heartbeats, ignore_errors=True)
    prune_rank_logs(job)
    load_ballast(job)
    log_offset = job.log.stat().st_size if job.log.exists() else 0
    write_owner(job, attempt, log_offset, [] if lease is None else [gpu.uuid for gpu in lease.gpus])
    if lease is None:
        ended = Ended(signal.SIGTERM, True, time.time(), log_offset)
    else:
        ended = run(hosts, lock, log_offset, arguments, lease)
        lease.release()
    return EXIT_CODES[making_room(job, lambda: write_exit(job, attempt, ended))]


def refuse(code: int, reason: str, error: Exception, **more: object) -> int:
    """Prints on one line why the attempt did not start; returns `code`."""
    print(json.dumps({"v": 1, "reason": reason, "message": str(error), **more}), flush=True)
    return code


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer supervise")
    parser.add_argument("--job-dir", type=Path, required=True)
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--fence", type=int, required=True)
    parser.add_argument("--grace-seconds", type=float, default=DEFAULT_GRACE_SECONDS)
    parser.add_argument("--stall-seconds", type=phase_seconds, nargs="+", default=[], metavar="PHASE=S")
    add_arguments(parser)
    add_host_arguments(parser)
    parser.add_argument("program", nargs="+", metavar="-- PROGRAM ARG")
    return parser.parse_args(argv)


def phase_seconds(text: str) -> tuple[str, float]:
    """`step=60` -> ("step", 60.0)."""
    phase, _, seconds = text.partition("=")
    with suppress(ValueError):
        if phase in PHASES and float(seconds) > 0:
            return phase, float(seconds)
    raise argparse.ArgumentTypeError(f"expected PHASE=S, a phase of {', '.join(PHASES)}, got {text}")


def own_session() -> None:
    """Starts a session of our own, so that no signal to a terminal or to a worker's process group reaches us."""
    if os.getsid(0) != os.getpid():
        try:
            os.setsid()
        except PermissionError:
            # The leader of a process group, e.g. started from an interactive shell, cannot leave it.
            pass


def run(hosts: Hosts, lock: JobLock, log_offset: int, arguments: argparse.Namespace, lease: Lease) -> Ended:
    """Starts the program, waits for it or ends it, and returns once no descendant lives."""
    job = hosts.own
    started_at = time.time()
    with open(job.log, "ab", buffering=0) as log:
        if lock.killed:
            log.write(f"supervise: killed survivors of a dead supervisor: {lock.killed}\n".encode())
        try:
            program = start(job, hosts.attempt, lock, arguments.program, log.fileno(), lease)
        except OSError as error:
            write_json(job.error, {"message": f"cannot start {arguments.program[0]}: {error}"})
            # The status of a shell for a command that it cannot run.
            return Ended(127 << 8, False, started_at, log_offset)
    watchdog = Watchdog(dict(arguments.stall_seconds), time.monotonic())
    ranks = Ranks(job, program, log_offset)
    status, stop_requested, stall = wait(program, hosts, arguments.grace_seconds, watchdog, ranks)
    end_descendants()
    cause, alone = explain(job, ranks), not hosts.others
    return Ended(status, stop_requested, started_at, log_offset, stall, cause, alone, ended_by(hosts, ranks))


def start(job: Job, attempt: Attempt, lock: JobLock, command: list[str], log: int, lease: Lease) -> int:
    """Starts `command` with the lock as its standard input (see lock.py); returns its pid."""
    supervisor = os.getpid()

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED_SIGNALS)
        # If we are killed, the launcher stops its ranks gracefully instead of training on without a supervisor.
        die_with_parent(supervisor, signal.SIGTERM)

    process = subprocess.Popen(
        command,
        stdin=lock.descriptor,
        stdout=log,
        stderr=log,
        env={**os.environ, **attempt.environment(job), **lease.environment(), ERROR_FILE_ENV: str(job.error)},
        preexec_fn=prepare,
    )
    # We reap every child ourselves, so Popen must not wait for this one.
    process.returncode = 0
    return process.pid


def wait(
    program: int, hosts: Hosts, grace_seconds: float, watchdog: Watchdog, ranks: Ranks
) -> tuple[int, bool, Stall | None]:
    """Waits for the program; returns its wait status, whether a stop was requested, and the stall if it hung.

    A stop is forwarded once as SIGTERM; after the grace period all descendants are killed. A program that hangs is
    killed once its stacks are in the log. One with a failed rank, here or on another host, is killed once that is
    known. During a stop only the grace period counts, neither the watchdog nor failed ranks.
    """
    job = hosts.own
    stop_requested, stall, rank_failed = False, None, False
    kill_at: float | None = None
    signals = Signals(WATCHED_SIGNALS)
    while (status := reap(program)) is None:
        caught = signals.wait(seconds_to_wait(kill_at, ranks), ranks.descriptors())
        ranks.collect_ended()
        heartbeats = read_heartbeats(job)
        ranks.watch(heartbeats)
        hosts.poll()
        if caught is not None and caught.si_signo in STOP_SIGNALS:
            if kill_at is None:
                kill_at = time.monotonic() + grace_seconds
                forward_stop(program, job)
            stop_requested = True
        elif kill_at is None and (rank_failed := ranks.have_failed()):
            kill_at = time.monotonic()
        elif kill_at is None and hosts.stopped:
            stop_requested, kill_at = True, time.monotonic() + grace_seconds
            forward_stop(program, job)
        elif kill_at is None and (rank_failed := hosts.failed is not None and ranks.may_be_ended()):
            kill_at = time.monotonic()
        elif kill_at is None and (stall := watchdog.observe(heartbeats + hosts.other_heartbeats(), time.monotonic())):
            write_stack_traces(job, hosts.attempt)
            kill_at = time.monotonic()
        if kill_at is not None and time.monotonic() >= kill_at:
            ranks.stop_watching()
            kill(descendants(os.getpid()))
            kill_at = time.monotonic() + 1.0
    # A stop that arrived together with the end counts as requested.
    stop_requested = stop_requested or bool(signal.sigpending() & STOP_SIGNALS)
    return RANK_FAILED_STATUS if rank_failed else status, stop_requested, stall


def seconds_to_wait(kill_at: float | None, ranks: Ranks) -> float:
    if kill_at is not None:
        return max(0.0, kill_at - time.monotonic())
    return REPORT_SECONDS if ranks.report_is_due else POLL_SECONDS


def ended_by(hosts: Hosts, ranks: Ranks) -> str | None:
    """Returns the host whose part failed, unless a rank failed here first."""
    return None if ranks.failed_here else hosts.failed


def explain(job: Job, ranks: Ranks) -> dict[str, Any] | None:
    """Returns `rootCause` if we saw the first failure ourselves: a launcher that was killed leaves no report."""
    failure = ranks.cause
    if failure is None:
        return None
    cause = failure.root_cause()
    how = cause["signal"] or f"code {cause['exitCode']}"
    with suppress(OSError):
        with open(job.log, "ab", buffering=0) as log:
            log.write(f"supervise: rank {cause['rank']} (pid {cause['pid']}) failed first, with {how}\n".encode())
        if failure.rank.error_file and failure.rank.error_file.exists():
            shutil.copyfile(failure.rank.error_file, job.error)
    return cause


def forward_stop(program: int, job: Job) -> None:
    with suppress(OSError):
        # On a full disk the ranks end without a save, which would fail anyway.
        job.stop.touch()
    os.kill(program, signal.SIGTERM)


def reap(program: int) -> int | None:
    """Reaps every ended child, ours or adopted; returns the program's wait status if it is among them."""
    status = None
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == program:
            status = ended


def end_descendants() -> None:
    """Kills all descendants, in whatever session, and returns when none lives.

    A process stuck in the kernel by a broken driver cannot be killed, and exit.json must not wait for it. It still
    holds the lock, which keeps the next supervisor out.
    """
    deadline = time.monotonic() + SURVIVOR_SECONDS
    while (below := descendants(os.getpid())) and time.monotonic() < deadline:
        kill(below)
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
        reap(0)
    reap(0)
