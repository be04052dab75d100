"""Computes the interval between saves that loses the least time to saves and crashes together.

Young's formula, the first-order form of Daly's: if each save costs d seconds and a crash occurs every M seconds, the
optimal interval is sqrt(2 d M).
"""

import math
from itertools import pairwise
from typing import Any

from everswin_trainer.job.plan import Plan

# Prior: one crash per day. It keeps a single crash from shortening the interval too much.
PRIOR_SECONDS = 24 * 3600.0
# A save that does not block training still costs disk bandwidth, a core and the memory of a copy.
MIN_COST_SECONDS = 0.05
MIN_SECONDS = 120.0


def seconds_between_saves(
    plan: Plan, events: list[dict[str, Any]], blocked: float, epoch_seconds: float | None
) -> float:
    """Returns the interval of the plan or, for `auto`, the optimum for the run so far: at most an epoch.

    `events` are those of all attempts; `blocked` is the mean time that a save stops training; `epoch_seconds` is None
    while it is unknown.
    """
    if plan.every_minutes is not None:
        return plan.every_minutes * 60
    best = math.sqrt(2 * max(blocked, MIN_COST_SECONDS) * seconds_between_crashes(events))
    return max(MIN_SECONDS, best if epoch_seconds is None else min(best, epoch_seconds))


def seconds_between_crashes(events: list[dict[str, Any]]) -> float:
    """Returns the mean time between crashes, which are attempts without an `ended` event."""
    # Pauses between attempts do not count, because nothing can crash then.
    pairs = [(event, following) for event, following in pairwise(events) if event["attempt"] == following["attempt"]]
    observed = sum(max(0.0, following["t"] - event["t"]) for event, following in pairs)
    lifecycle = [event["type"] for event in events if event["type"] in ("started", "ended")]
    crashes = sum(pair == ("started", "started") for pair in pairwise(lifecycle))
    return (PRIOR_SECONDS + observed) / (1 + crashes)


def estimate_epoch_seconds(events: list[dict[str, Any]]) -> float | None:
    """Returns the duration of an epoch at the pace of the newest step; None before the first step."""
    step_seconds = [event["stepSeconds"] for event in events if event["type"] == "step"]
    lengths = [event["iterationsPerEpoch"] for event in events if event["type"] == "started"]
    return step_seconds[-1] * lengths[-1] if step_seconds and lengths else None
