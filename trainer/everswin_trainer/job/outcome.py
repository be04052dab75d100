"""Writes exit.json: how an attempt ended, decided from its events and logs rather than from exit codes alone."""

import os
import time
from dataclasses import dataclass
from typing import Any

from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.progress import ProgressReader
from everswin_trainer.job.rank_logs import list_rank_logs
from everswin_trainer.job.root_cause import make_root_cause, read_root_cause, signal_name
from everswin_trainer.system.atomic_file import write_json

FINISHED, PREEMPTED, CRASHED, HUNG = "finished", "preempted", "crashed", "hung"


@dataclass(frozen=True)
class Stall:
    """A hang: no heartbeat for `seconds` in `phase`, whose limit is `limit`, after `count` heartbeats."""

    phase: str
    seconds: float
    limit: float
    count: int

    def __str__(self) -> str:
        return (
            f"no heartbeat for {self.seconds:.0f} s in phase {self.phase} (limit {self.limit:.0f} s) "
            f"after {self.count} heartbeats"
        )


@dataclass(frozen=True)
class ProgramOutcome:
    """Outcome of the program. `status` is its wait status; its log begins at `log_offset`.

    `cause` is `rootCause` if the supervisor itself detected which rank failed first. `alone` is false if other hosts
    take part in this attempt. `ended_by` is the host whose failure ended the program on this host.
    """

    status: int
    stop_requested: bool
    started_at: float
    log_offset: int
    stall: Stall | None = None
    cause: dict[str, Any] | None = None
    alone: bool = True
    ended_by: str | None = None


def write_exit(job: Job, attempt: Attempt, ended: ProgramOutcome, recorded: ProgressReader) -> str:
    """Writes exit.json and returns its reason. `recorded` reads the events since the attempt began."""
    code = os.waitstatus_to_exitcode(ended.status)
    reason = HUNG if ended.stall else _find_reason(attempt, ended, code, recorded)
    write_json(
        job.exit,
        {
            "v": 1,
            "attempt": attempt.number,
            "fence": attempt.fence,
            "code": code if code >= 0 else None,
            "signal": signal_name(-code) if code < 0 else None,
            "stopRequested": ended.stop_requested,
            "reason": reason,
            "rootCause": _find_root_cause(job, attempt, reason, ended),
            **({} if ended.alone else {"endedBy": ended.ended_by}),
            "startedAt": ended.started_at,
            "endedAt": time.time(),
        },
    )
    return reason


def _find_reason(attempt: Attempt, ended: ProgramOutcome, code: int, recorded: ProgressReader) -> str:
    if code == 0 and not ended.alone:
        # A launcher exits with 0 once the ranks of all hosts have; their events may arrive later over a network.
        return FINISHED
    events = [event for event in recorded.events() if event["attempt"] == attempt.number]
    return decide_reason(code, ended.stop_requested, events)


def _find_root_cause(job: Job, attempt: Attempt, reason: str, ended: ProgramOutcome) -> dict[str, Any] | None:
    if reason == CRASHED and ended.ended_by:
        return make_root_cause(message=f"the trainer on {ended.ended_by} failed", at=time.time())
    if reason == CRASHED:
        return ended.cause or read_root_cause(job.error, job.log, ended.log_offset)
    if ended.stall:
        # The rank that hangs is unknown: each waits for the others.
        files = " and ".join(
            [job.log.name, *sorted({path.parent.name + "/" for path in list_rank_logs(job, attempt.fence)})]
        )
        return make_root_cause(message=f"{ended.stall}; stack traces of all ranks are in {files}", at=time.time())
    return None


def decide_reason(code: int, stop_requested: bool, events: list[dict[str, Any]]) -> str:
    """Returns `finished`, `preempted` or `crashed`, from the program's exit code and this attempt's events.

    A stop before the first step, or right after a checkpoint, loses nothing: that is a preemption even if the program
    had no time to report it.
    """
    reported = [event["reason"] for event in events if event["type"] == "ended"]
    if code == 0 and reported[-1:] == [FINISHED]:
        return FINISHED
    lost_nothing = _last(events, "step") <= _last(events, "checkpoint")
    if reported[-1:] == [PREEMPTED] or (stop_requested and lost_nothing):
        return PREEMPTED
    return CRASHED


def _last(events: list[dict[str, Any]], kind: str) -> int:
    """Returns the highest iteration among the events of this kind; -1 if there is none.

    The order of events does not matter: a checkpoint is written in the background and reported after steps that it
    does not contain.
    """
    return max((event["iteration"] for event in events if event["type"] == kind), default=-1)
