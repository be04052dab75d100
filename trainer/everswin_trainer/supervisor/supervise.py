"""The supervisor: holds the job's lock, runs one program, ends its process tree and records the outcome.

A worker starts it detached; any later worker finds it through owner.json. It imports nothing heavy and starts within
about 50 ms.
"""

import argparse
import json
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from everswin_trainer.gpu.lease import Lease
from everswin_trainer.gpu.wait import GpuRequest, NotEnoughGpus, ParentExited, StopRequested, add_arguments
from everswin_trainer.job.folder import Attempt, Job, living_owner, newest_fence, write_owner
from everswin_trainer.job.heartbeat import PHASES
from everswin_trainer.job.outcome import CRASHED, FINISHED, HUNG, PREEMPTED, ProgramOutcome, write_exit
from everswin_trainer.job.progress import ProgressReader
from everswin_trainer.job.rank_logs import prune_rank_logs
from everswin_trainer.supervisor.ballast import with_ballast, write_ballast
from everswin_trainer.supervisor.hosts import Hosts
from everswin_trainer.supervisor.hosts import add_arguments as add_host_arguments
from everswin_trainer.supervisor.lock import JobLock, JobLocked, acquire_job_lock
from everswin_trainer.supervisor.program import STOP_SIGNALS, WATCHED_SIGNALS, StartProgram, kill_descendants, start
from everswin_trainer.supervisor.program_watch import ProgramWatch
from everswin_trainer.supervisor.ranks import Ranks
from everswin_trainer.supervisor.watchdog import Watchdog
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.system.oom_kills import OomKills
from everswin_trainer.system.process_tree import become_subreaper
from everswin_trainer.system.retry import retry_os_errors

# Longer than the 30 s after which torchrun kills ranks that do not stop.
DEFAULT_GRACE_SECONDS = 45.0
EXIT_CODES = {FINISHED: 0, CRASHED: 1, HUNG: 1, PREEMPTED: 143}
# EX_TEMPFAIL: try again later.
LOCKED_EXIT_CODE = 75
# EX_UNAVAILABLE: this machine has fewer GPUs than requested.
NOT_ENOUGH_GPUS_EXIT_CODE = 69


def main(argv: list[str], start_program: StartProgram = start) -> int:
    """Runs one attempt, whose program `start_program` starts.

    Returns 0 if it finished, 1 if it crashed or hung, and 143 if it was preempted.
    Returns 75 (locked, superseded, or the parent has exited) or 69 (too few GPUs here) without touching the job.
    """
    arguments = parse(argv)
    # Blocks signals until `Signals` or sigtimedwait collects them, so that none arrives between two checks.
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED_SIGNALS)
    job = Job.at(arguments.job_dir, arguments.run_dir)
    try:
        lock = acquire_job_lock(job)
    except JobLocked as error:
        return refuse(LOCKED_EXIT_CODE, "locked", error, owner=living_owner(job))
    # A worker that was frozen after it had checked its fence starts a supervisor too late. Only the holder of the lock
    # can decide this: until it exits, no newer attempt starts another one.
    newest = newest_fence(job)
    if newest > arguments.fence:
        return refuse(LOCKED_EXIT_CODE, "superseded", f"fence {arguments.fence} is superseded by fence {newest}")
    start_session()
    become_subreaper()
    attempt = Attempt(arguments.attempt, arguments.fence)
    request, hosts = GpuRequest.from_arguments(arguments), Hosts.from_arguments(arguments, job, attempt)
    try:
        lease = Lease([], []) if request is None else hosts.acquire_gpus(request, STOP_SIGNALS)
    except NotEnoughGpus as error:
        return refuse(NOT_ENOUGH_GPUS_EXIT_CODE, "not-enough-gpus", error)
    except ParentExited:
        return LOCKED_EXIT_CODE
    except StopRequested:
        lease = None
    clear_previous_attempt(job)
    write_ballast(job)
    log_offset = job.log.stat().st_size if job.log.exists() else 0
    recorded = ProgressReader.from_end(job.progress)
    write_owner(job, attempt, log_offset, [] if lease is None else [gpu.uuid for gpu in lease.gpus])
    if lease is None:
        ended = ProgramOutcome(
            status=signal.SIGTERM, stop_requested=True, started_at=time.time(), log_offset=log_offset
        )
    else:
        ended = run(hosts, lock, log_offset, arguments, lease, start_program)
        retry_os_errors(lease.release, arguments.grace_seconds)
    return EXIT_CODES[retry_os_errors(lambda: record_end(job, attempt, ended, recorded), arguments.grace_seconds)]


def record_end(job: Job, attempt: Attempt, ended: ProgramOutcome, recorded: ProgressReader) -> str:
    """Writes exit.json, even on a full disk, and returns its reason."""
    return with_ballast(job, lambda: write_exit(job, attempt, ended, recorded))


def refuse(code: int, reason: str, error: Exception | str, **more: object) -> int:
    """Prints one line of JSON that explains why the attempt did not start; returns `code`."""
    print(json.dumps({"v": 1, "reason": reason, "message": str(error), **more}), flush=True)
    return code


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer supervise")
    parser.add_argument("--job-dir", type=Path, required=True)
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--fence", type=int, required=True)
    parser.add_argument("--grace-seconds", type=float, default=DEFAULT_GRACE_SECONDS)
    parser.add_argument("--stall-seconds", type=parse_phase_seconds, nargs="+", default=[], metavar="PHASE=SECONDS")
    add_arguments(parser)
    add_host_arguments(parser)
    parser.add_argument("program", nargs="+", metavar="-- PROGRAM ARG")
    return parser.parse_args(argv)


def parse_phase_seconds(text: str) -> tuple[str, float]:
    """Parses `step=60` into ("step", 60.0)."""
    phase, _, seconds = text.partition("=")
    with suppress(ValueError):
        if phase in PHASES and float(seconds) > 0:
            return phase, float(seconds)
    raise argparse.ArgumentTypeError(f"expected PHASE=SECONDS with a phase of {', '.join(PHASES)}, got {text}")


def clear_previous_attempt(job: Job) -> None:
    """Deletes the files of the previous attempt that would describe this one wrongly."""
    for stale in (job.exit, job.error, job.stop):
        stale.unlink(missing_ok=True)
    shutil.rmtree(job.heartbeats, ignore_errors=True)
    prune_rank_logs(job)


def start_session() -> None:
    """Starts a new session, so that no signal to a terminal or to a worker's process group reaches us."""
    if os.getsid(0) != os.getpid():
        try:
            os.setsid()
        except PermissionError:
            # A process group leader, for example one started from an interactive shell, cannot start a session.
            pass


def run(
    hosts: Hosts,
    lock: JobLock,
    log_offset: int,
    arguments: argparse.Namespace,
    lease: Lease,
    start_program: StartProgram,
) -> ProgramOutcome:
    """Starts the program, watches it until it ends, and returns once no descendant lives."""
    job = hosts.own
    started_at = time.time()
    with open(job.log, "ab", buffering=0) as log:
        if lock.killed:
            log.write(f"supervise: killed survivors of a dead supervisor: {lock.killed}\n".encode())
        try:
            program = start_program(job, hosts.attempt, lock, arguments.program, log.fileno(), lease)
        except OSError as error:
            write_json(job.error, {"message": f"cannot start {arguments.program[0]}: {error}"})
            # Exit status of a shell for a command that it cannot run.
            return ProgramOutcome(status=127 << 8, stop_requested=False, started_at=started_at, log_offset=log_offset)
    oom_kills = OomKills.now()
    watchdog = Watchdog(dict(arguments.stall_seconds), time.monotonic())
    ranks = Ranks(job, program, log_offset)
    watch = ProgramWatch(program, hosts, ranks, watchdog, arguments.grace_seconds)
    status = watch.wait()
    retry_os_errors(kill_descendants, arguments.grace_seconds)
    cause = record_cause(job, ranks)
    if status != 0:
        record_oom_kill(job, oom_kills, killed=(cause or {}).get("signal") == "SIGKILL" or status == signal.SIGKILL)
    return ProgramOutcome(
        status=status,
        stop_requested=watch.stop_requested,
        started_at=started_at,
        log_offset=log_offset,
        stall=watch.stall,
        cause=cause,
        alone=not hosts.others,
        ended_by=ended_by(hosts, ranks),
    )


def ended_by(hosts: Hosts, ranks: Ranks) -> str | None:
    """Returns the host that failed, unless a rank failed here first."""
    return None if ranks.failed_here else hosts.failed


def record_oom_kill(job: Job, before: OomKills, killed: bool) -> None:
    """Logs that the kernel killed a process because memory ran out: the process itself has no time to say so."""
    explanation = before.explain(killed)
    if explanation is None:
        return
    with suppress(OSError), open(job.log, "ab", buffering=0) as log:
        log.write(f"supervise: {explanation}\n".encode())


def record_cause(job: Job, ranks: Ranks) -> dict[str, Any] | None:
    """Logs the first failure if we saw it ourselves, and returns it as `rootCause`.

    A launcher that we killed leaves no report of its own.
    """
    failure = ranks.cause
    if failure is None:
        return None
    cause = failure.root_cause()
    reason = cause["signal"] or f"code {cause['exitCode']}"
    with suppress(OSError):
        with open(job.log, "ab", buffering=0) as log:
            log.write(f"supervise: rank {cause['rank']} (pid {cause['pid']}) failed first, with {reason}\n".encode())
        if failure.rank.error_file and failure.rank.error_file.exists():
            shutil.copyfile(failure.rank.error_file, job.error)
    return cause
