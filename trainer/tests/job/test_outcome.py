from everswin_trainer.job.outcome import decide_reason

CRASH, STOPPED = 1, -15


def event(kind: str, iteration: int = 0, **fields: str) -> dict:
    return {"type": kind, "iteration": iteration, **fields}


def test_stop_that_lost_no_step_is_a_preemption_without_an_event() -> None:
    assert decide_reason(STOPPED, True, []) == "preempted"
    assert decide_reason(STOPPED, True, [event("step", 20), event("checkpoint", 20)]) == "preempted"


def test_steps_after_the_newest_checkpoint_are_lost_in_any_event_order() -> None:
    """A checkpoint written in the background is reported after later steps."""
    events = [event("step", 20), event("step", 21), event("step", 22), event("checkpoint", 20)]
    assert decide_reason(STOPPED, True, events) == "crashed"


def test_step_reported_after_its_checkpoint_is_not_lost() -> None:
    assert decide_reason(STOPPED, True, [event("checkpoint", 20), event("step", 20)]) == "preempted"


def test_end_without_a_stop_is_a_crash_unless_reported_otherwise() -> None:
    saved = [event("step", 20), event("checkpoint", 20)]
    assert decide_reason(CRASH, False, saved) == "crashed"
    assert decide_reason(143, False, [*saved, event("ended", 20, reason="preempted")]) == "preempted"
    assert decide_reason(0, False, [*saved, event("ended", 20, reason="finished")]) == "finished"
    assert decide_reason(CRASH, False, [*saved, event("ended", 20, reason="finished")]) == "crashed"
