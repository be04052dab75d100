"""exit.json: how an attempt ended, decided from what is on disk rather than from exit codes."""

import os
import time
from dataclasses import dataclass
from typing import Any

from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.progress import read_events
from everswin_trainer.job.rank_logs import list_rank_logs
from everswin_trainer.job.root_cause import make_root_cause, read_root_cause, signal_name
from everswin_trainer.system.atomic_file import write_json

FINISHED, PREEMPTED, CRASHED, HUNG = "finished", "preempted", "crashed", "hung"


@dataclass(frozen=True)
class Stall:
    """Nothing moved for `seconds` in `phase`, which may take `limit`; before that there were `count` heartbeats."""

    phase: str
    seconds: float
    limit: float
    count: int

    def __str__(self) -> str:
        return (
            f"no sign of progress for {self.seconds:.0f} s in phase {self.phase} (limit {self.limit:.0f} s) "
            f"after {self.count} signs"
        )


@dataclass(frozen=True)
class ProgramOutcome:
    """The program's end as the supervisor saw it. `status` is a wait status; `log_offset` is where its log begins.

    `cause` is `rootCause`, where the supervisor saw by itself which rank failed first. `alone`: no other host has a
    part of this attempt; `ended_by` is the one whose part failed and so ended ours.
    """

    status: int
    stop_requested: bool
    started_at: float
    log_offset: int
    stall: Stall | None = None
    cause: dict[str, Any] | None = None
    alone: bool = True
    ended_by: str | None = None


def write_exit(job: Job, attempt: Attempt, ended: ProgramOutcome) -> str:
    """Writes exit.json and returns its reason."""
    code = os.waitstatus_to_exitcode(ended.status)
    reason = HUNG if ended.stall else _find_reason(job, attempt, ended, code)
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


def _find_reason(job: Job, attempt: Attempt, ended: ProgramOutcome, code: int) -> str:
    if code == 0 and not ended.alone:
        # A launcher leaves so when the ranks of all hosts have; their events may come later over a network.
        return FINISHED
    return decide_reason(code, ended.stop_requested, _attempt_events(job, attempt))


def _find_root_cause(job: Job, attempt: Attempt, reason: str, ended: ProgramOutcome) -> dict[str, Any] | None:
    if reason == CRASHED and ended.ended_by:
        return make_root_cause(message=f"the part on {ended.ended_by} failed", at=time.time())
    if reason == CRASHED:
        return ended.cause or read_root_cause(job.error, job.log, ended.log_offset)
    if ended.stall:
        # Which rank hangs is not known: each waits for the others.
        where = " and ".join(
            [job.log.name, *sorted({path.parent.name + "/" for path in list_rank_logs(job, attempt.fence)})]
        )
        return make_root_cause(message=f"{ended.stall}; the stacks of all ranks are in {where}", at=time.time())
    return None


def _attempt_events(job: Job, attempt: Attempt) -> list[dict[str, Any]]:
    return [event for event in read_events(job.progress) if event.get("attempt") == attempt.number]


def decide_reason(code: int, stop_requested: bool, events: list[dict[str, Any]]) -> str:
    """`finished`, `preempted` or `crashed`, from the program's exit code and this attempt's events.

    A stop that came before the first step, or right after a checkpoint, lost nothing: that is a preemption even if
    the program had no time to say so.
    """
    said = [event["reason"] for event in events if event["type"] == "ended"]
    if code == 0 and said[-1:] == [FINISHED]:
        return FINISHED
    lost_nothing = _last(events, "step") <= _last(events, "checkpoint")
    if said[-1:] == [PREEMPTED] or (stop_requested and lost_nothing):
        return PREEMPTED
    return CRASHED


def _last(events: list[dict[str, Any]], kind: str) -> int:
    """Iteration of the furthest event of this kind; -1 if there is none.

    Not its line: a checkpoint is written in the background and announced after steps that it does not hold.
    """
    return max((event["iteration"] for event in events if event["type"] == kind), default=-1)
