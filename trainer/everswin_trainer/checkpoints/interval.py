"""How often to save: what a save costs against what a crash would cost.

Young's formula, the first order of Daly's: with d seconds lost to each save and a crash every M seconds, the least is
lost when saves are sqrt(2 d M) apart.
"""

import math
from itertools import pairwise
from typing import Any

from everswin_trainer.job.plan import Plan

# What is believed before anything was seen: a crash a day. It keeps the first crash from being taken for a habit.
PRIOR_SECONDS = 24 * 3600.0
# Even a save that blocks nobody costs something: the disk, a core, the memory of a copy.
LEAST_COST_SECONDS = 0.05
SHORTEST_SECONDS = 120.0


def seconds_between_saves(
    plan: Plan, events: list[dict[str, Any]], blocked: float, epoch_seconds: float | None
) -> float:
    """What the plan says or, where it says `auto`, the best by the run so far: never longer than an epoch.

    `events` are those of the whole run; `blocked` is how long a save stops training, in the mean; `epoch_seconds` is
    None as long as nobody knows.
    """
    if plan.every_minutes is not None:
        return plan.every_minutes * 60
    best = math.sqrt(2 * max(blocked, LEAST_COST_SECONDS) * seconds_between_crashes(events))
    return max(SHORTEST_SECONDS, best if epoch_seconds is None else min(best, epoch_seconds))


def seconds_between_crashes(events: list[dict[str, Any]]) -> float:
    """Mean time between two interruptions in which an attempt did not say that it ended."""
    # Pauses between attempts do not count: nothing could crash.
    pairs = [(one, next_one) for one, next_one in pairwise(events) if one["attempt"] == next_one["attempt"]]
    observed = sum(max(0.0, next_one["t"] - one["t"]) for one, next_one in pairs)
    turns = [event["type"] for event in events if event["type"] in ("started", "ended")]
    crashes = sum(pair == ("started", "started") for pair in pairwise(turns))
    return (PRIOR_SECONDS + observed) / (1 + crashes)


def estimate_epoch_seconds(events: list[dict[str, Any]]) -> float | None:
    """How long an epoch takes at the pace of the newest step; None before the first."""
    paces = [event["stepSeconds"] for event in events if event["type"] == "step"]
    lengths = [event["iterationsPerEpoch"] for event in events if event["type"] == "started"]
    return paces[-1] * lengths[-1] if paces and lengths else None
