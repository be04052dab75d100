import fcntl
import json
import os
import re
import signal
import sys
import time

import pytest

from conftest import PROGRAMS, JobFolder, stop, until
from everswin_trainer.job.folder import Job
from everswin_trainer.job.heartbeat import read_heartbeats
from everswin_trainer.system.process_tree import start_ticks


def tree(job: JobFolder, mode: str) -> list[str]:
    return [sys.executable, str(PROGRAMS / "tree.py"), str(job.root / "grandchild"), mode]


def hanging(*switches: str) -> list[str]:
    return [sys.executable, str(PROGRAMS / "hanging.py"), *switches]


def torchrun(ranks: int, what: str) -> list[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "--max-restarts", "0"]
    return [sys.executable, *launch, str(PROGRAMS / "rank.py"), what]


def launcher(*ranks: str) -> list[str]:
    return [sys.executable, str(PROGRAMS / "launcher.py"), *ranks]


def grandchild(job: JobFolder) -> int:
    return int(until(lambda: (job.root / "grandchild").exists() and (job.root / "grandchild").read_text(), "it"))


def lock_is_free(job: JobFolder) -> bool:
    with open(job.folder / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_a_program_that_says_finished_and_leaves_with_0_has_finished(job: JobFolder) -> None:
    assert job.supervise(job.fake_training()).wait(60) == 0
    ending = job.exit()
    assert (ending["reason"], ending["code"], ending["signal"], ending["stopRequested"]) == ("finished", 0, None, False)
    assert (ending["attempt"], ending["fence"], ending["rootCause"]) == (1, 10, None)
    assert ending["startedAt"] < ending["endedAt"] < time.time()
    assert lock_is_free(job)


def test_a_program_that_leaves_with_0_but_says_nothing_has_crashed(job: JobFolder) -> None:
    assert job.supervise(["true"]).wait(60) == 1
    assert (job.exit()["reason"], job.exit()["code"]) == ("crashed", 0)


def test_a_crash_names_code_and_cause(job: JobFolder) -> None:
    assert job.supervise(job.fake_training("--fail-at-step", "2", "--fail-message", "no room")).wait(60) == 1
    ending = job.exit()
    assert (ending["reason"], ending["code"]) == ("crashed", 1)
    assert ending["rootCause"]["message"] == "RuntimeError: no room"
    assert "RuntimeError: no room" in (job.folder / "trainer.log").read_text()


def test_a_killed_program_is_a_crash_by_that_signal(job: JobFolder) -> None:
    assert job.supervise(job.fake_training("--kill-at-step", "2")).wait(60) == 1
    assert (job.exit()["reason"], job.exit()["code"], job.exit()["signal"]) == ("crashed", None, "SIGKILL")


def test_a_program_that_cannot_be_started_is_a_crash_that_says_so(job: JobFolder) -> None:
    assert job.supervise(["/nowhere/python"]).wait(60) == 1
    assert job.exit()["code"] == 127
    assert "cannot start /nowhere/python" in job.exit()["rootCause"]["message"]


def test_the_owner_is_named_by_pid_and_start_time(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--hang-at-step", "1"), grace=0.2)
    until(lambda: job.events("started"), "the start")
    owner = json.loads((job.folder / "owner.json").read_text())
    assert (owner["pid"], owner["startTicks"]) == (supervisor.pid, start_ticks(supervisor.pid))
    assert (owner["v"], owner["attempt"], owner["fence"], owner["logOffset"]) == (1, 1, 10, 0)
    stop(supervisor)


def test_the_owner_says_where_its_part_of_the_log_begins(job: JobFolder) -> None:
    job.supervise(["sh", "-c", "echo the first"]).wait(60)
    size = (job.folder / "trainer.log").stat().st_size
    job.supervise(["sh", "-c", "echo the second"], attempt=2).wait(60)
    assert json.loads((job.folder / "owner.json").read_text())["logOffset"] == size == len("the first\n")


def test_sigterm_ends_a_willing_program_as_preempted(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--steps-per-epoch", "10000"))
    job.wait_for_step(3)
    assert stop(supervisor) == 143
    assert (job.exit()["reason"], job.exit()["code"], job.exit()["stopRequested"]) == ("preempted", 143, True)
    assert job.events("ended")[-1]["reason"] == "preempted"


def test_sigint_is_a_stop_too(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--steps-per-epoch", "10000"))
    job.wait_for_step(3)
    assert stop(supervisor, signal.SIGINT) == 143


def test_a_stop_before_the_first_step_lost_nothing(job: JobFolder) -> None:
    supervisor = job.supervise(["sleep", "600"])
    until(job.living, "the program")
    assert stop(supervisor) == 143
    assert (job.exit()["reason"], job.exit()["signal"]) == ("preempted", "SIGTERM")


def test_an_unwilling_program_is_killed_after_the_grace_and_its_steps_are_lost(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--ignore-sigterm", "--steps-per-epoch", "10000"), grace=0.5)
    job.wait_for_step(3)
    begin = time.monotonic()
    assert stop(supervisor) == 1
    assert 0.5 <= time.monotonic() - begin < 5
    assert (job.exit()["reason"], job.exit()["signal"], job.exit()["stopRequested"]) == ("crashed", "SIGKILL", True)


def test_a_grandchild_in_its_own_session_that_ignores_sigterm_does_not_survive_a_stop(job: JobFolder) -> None:
    supervisor = job.supervise(tree(job, "stubborn"), grace=0.5)
    pid = grandchild(job)
    assert os.getsid(pid) == pid
    stop(supervisor)
    assert start_ticks(pid) is None
    assert job.living() == []
    assert lock_is_free(job)


def test_what_a_program_leaves_behind_is_killed_before_exit_is_written(job: JobFolder) -> None:
    assert job.supervise(tree(job, "leave")).wait(60) == 1
    assert start_ticks(grandchild(job)) is None
    assert lock_is_free(job)


def test_a_second_supervisor_is_locked_out_and_touches_nothing(job: JobFolder) -> None:
    first = job.supervise(job.fake_training("--hang-at-step", "1"), grace=0.2)
    until(lambda: job.events("started"), "the start")
    before = {path: path.read_bytes() for path in job.folder.iterdir() if path.is_file()}
    second = job.supervise(job.fake_training(), attempt=2)
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 75
    assert json.loads(said)["reason"] == "locked"
    assert json.loads(said)["owner"]["pid"] == first.pid
    assert {path: path.read_bytes() for path in job.folder.iterdir() if path.is_file()} == before
    stop(first)


def test_of_many_supervisors_started_at_once_one_runs(job: JobFolder) -> None:
    racing = [job.supervise(job.fake_training("--step-seconds", "0.05"), attempt=number) for number in range(1, 9)]
    codes = sorted(one.wait(60) for one in racing)
    assert codes == [0] + [75] * 7
    assert len(job.events("started")) == 1


def test_survivors_of_a_killed_supervisor_are_ended_before_the_next_start(job: JobFolder) -> None:
    first = job.supervise(job.fake_training("--ignore-sigterm", "--steps-per-epoch", "10000"))
    job.wait_for_step(3)
    [survivor] = job.living()
    stop(first, signal.SIGKILL)
    assert start_ticks(survivor) is not None
    assert not lock_is_free(job)
    assert job.supervise(job.fake_training(), attempt=2).wait(60) == 0
    assert start_ticks(survivor) is None
    assert f"killed survivors of a dead supervisor: [{survivor}]" in (job.folder / "trainer.log").read_text()
    attempts = [one["attempt"] for one in job.events()]
    assert attempts == sorted(attempts), "the two trainers never wrote at the same time"


def test_a_survivor_that_lost_its_mark_is_found_by_the_lock_it_holds(job: JobFolder) -> None:
    first = job.supervise(
        ["env", "-i", "sh", "-c", f"trap '' TERM; : > {job.root}/trapped; while :; do sleep 0.1; done"]
    )
    until((job.root / "trapped").exists, "the program")
    assert job.living() == []
    stop(first, signal.SIGKILL)
    assert not lock_is_free(job)
    assert job.supervise(job.fake_training(), attempt=2).wait(60) == 0


def test_a_willing_program_stops_by_itself_when_its_supervisor_is_killed(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--steps-per-epoch", "10000"))
    job.wait_for_step(3)
    stop(supervisor, signal.SIGKILL)
    until(lambda: job.living() == [], "the program to end")
    assert job.events("ended")[-1]["reason"] == "preempted"


def test_the_ending_of_the_attempt_before_is_gone_while_the_next_runs(job: JobFolder) -> None:
    job.supervise(job.fake_training("--fail-at-step", "1")).wait(60)
    supervisor = job.supervise(job.fake_training("--hang-at-step", "2"), attempt=2, grace=0.2)
    until(lambda: [one for one in job.events("started") if one["attempt"] == 2], "the second start")
    assert not (job.folder / "exit.json").exists()
    assert not (job.folder / "error.json").exists()
    stop(supervisor)


def test_a_rank_under_torchrun_and_what_it_forks_hold_the_lock(job: JobFolder) -> None:
    supervisor = job.supervise(torchrun(1, "hold"))
    worker = int(until(lambda: (job.folder / "forked").exists() and (job.folder / "forked").read_text(), "the fork"))
    others = [pid for pid in job.living() if pid != worker]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        # Stopped first, so that neither supervisor nor launcher takes the worker along when the other dies.
        for pid in [supervisor.pid, *others]:
            os.kill(pid, number)
    supervisor.wait()
    until(lambda: job.living() == [worker], "all but the forked worker to end")
    assert not lock_is_free(job)
    os.kill(worker, signal.SIGKILL)
    until(lambda: lock_is_free(job), "the lock")


def test_the_root_cause_of_a_rank_that_raised_is_named(job: JobFolder) -> None:
    assert job.supervise(torchrun(2, "raise")).wait(120) == 1
    cause = job.exit()["rootCause"]
    assert job.exit()["code"] == 1
    assert (cause["rank"], cause["exitCode"], cause["signal"]) == (1, 1, None)
    assert cause["message"] == "ValueError: the second rank has seen enough"
    assert abs(cause["at"] - time.time()) < 60
    assert job.living() == []


def test_the_root_cause_of_a_rank_that_was_killed_is_named(job: JobFolder) -> None:
    assert job.supervise(torchrun(2, "die")).wait(120) == 1
    cause = job.exit()["rootCause"]
    assert (cause["rank"], cause["exitCode"], cause["signal"]) == (1, None, "SIGKILL")
    assert f"Signal 9 (SIGKILL) received by PID {cause['pid']}" in cause["message"]
    assert abs(cause["at"] - time.time()) < 60


def test_a_program_that_hangs_is_ended_and_its_stacks_are_in_the_log(job: JobFolder) -> None:
    begin = time.monotonic()
    assert job.supervise(hanging("0.1", "hang"), stall=["startup=20", "step=1"]).wait(60) == 1
    assert time.monotonic() - begin < 10
    ending = job.exit()
    assert (ending["reason"], ending["signal"], ending["stopRequested"]) == ("hung", "SIGKILL", False)
    assert re.fullmatch(
        r"no sign of progress for \d s in phase step \(limit 1 s\) after 3 signs; "
        r"the stacks of all ranks are in trainer.log",
        ending["rootCause"]["message"],
    )
    assert "in wait_in_vain" in (job.folder / "trainer.log").read_text()
    assert job.living() == []
    assert lock_is_free(job)


def test_a_rank_that_somebody_stopped_hangs_too(job: JobFolder) -> None:
    assert job.supervise(hanging("freeze"), stall=["step=1"]).wait(60) == 1
    assert job.exit()["reason"] == "hung"
    assert "File" in (job.folder / "trainer.log").read_text()
    assert job.living() == []


def test_a_program_that_never_gives_a_sign_hangs_in_its_startup(job: JobFolder) -> None:
    assert job.supervise(["sleep", "600"], stall=["startup=0.5"]).wait(60) == 1
    assert "in phase startup (limit 0 s) after 0 signs" in job.exit()["rootCause"]["message"]


def test_a_program_that_is_slow_from_the_start_is_left_alone(job: JobFolder) -> None:
    supervisor = job.supervise(hanging("0.7", "2.5", "finish"), stall=["startup=20", "step=1"])
    assert supervisor.wait(60) == 1
    assert (job.exit()["reason"], job.exit()["code"]) == ("crashed", 0), "it left by itself and said nothing"


def test_nothing_is_watched_unless_it_is_asked_for(job: JobFolder) -> None:
    supervisor = job.supervise(hanging("hang"))
    until(lambda: (job.folder / "beats/0").exists(), "the first heartbeat")
    time.sleep(2)
    assert supervisor.poll() is None
    stop(supervisor)


def test_while_a_program_stops_the_grace_decides_and_not_the_watchdog(job: JobFolder) -> None:
    supervisor = job.supervise(tree(job, "stubborn"), grace=2.5, stall=["startup=1.5"])
    grandchild(job)
    stop(supervisor)
    assert (job.exit()["reason"], job.exit()["stopRequested"]) == ("preempted", True), "it had lost nothing"


def test_the_signs_of_the_attempt_before_are_gone(job: JobFolder) -> None:
    (job.folder / "beats").mkdir(parents=True)
    (job.folder / "beats/7").write_text("1 step 1000")
    job.supervise(["true"]).wait(60)
    assert not (job.folder / "beats").exists()


def test_a_phase_that_does_not_exist_is_refused(job: JobFolder) -> None:
    supervisor = job.supervise(["true"], stall=["sleeping=3"])
    said, _ = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 2
    assert "expected PHASE=S, a phase of startup, step, validation, saving, got sleeping=3" in said


def test_a_rank_that_dies_ends_the_others_at_once_though_they_wait_for_it_in_vain(job: JobFolder) -> None:
    """torchrun would give them 30 s."""
    supervisor = job.supervise(torchrun(2, "deaf"))
    until(lambda: len(read_heartbeats(Job.at(job.folder))) == 2, "both ranks")
    [pid] = [heartbeat.pid for heartbeat in read_heartbeats(Job.at(job.folder)) if heartbeat.rank == 1]
    time.sleep(1)  # a look of the supervisor
    os.kill(pid, signal.SIGKILL)
    begin = time.monotonic()
    assert supervisor.wait(60) == 1
    assert time.monotonic() - begin < 2
    ending = job.exit()
    assert (ending["reason"], ending["code"], ending["signal"]) == ("crashed", 1, None), "as torchrun would have left"
    cause = ending["rootCause"]
    assert (cause["rank"], cause["pid"], cause["exitCode"], cause["signal"]) == (1, pid, None, "SIGKILL")
    assert cause["message"] == f"Signal 9 (SIGKILL) received by PID {pid}"
    assert abs(cause["at"] - time.time()) < 60
    assert f"supervise: rank 1 (pid {pid}) failed first, with SIGKILL" in (job.folder / "trainer.log").read_text()
    assert job.living() == []
    assert lock_is_free(job)


@pytest.mark.parametrize(("how", "rank", "name"), [("reported", 1, "SIGKILL"), ("silent", 0, "SIGTERM")])
def test_a_rank_that_fails_right_after_one_whose_end_was_missed_is_not_the_cause_if_the_launcher_knows_better(
    job: JobFolder, how: str, rank: int, name: str
) -> None:
    begin = time.monotonic()
    assert job.supervise([sys.executable, str(PROGRAMS / "unseen.py"), how]).wait(60) == 1
    assert time.monotonic() - begin < 15
    cause = job.exit()["rootCause"]
    assert (cause["rank"], cause["signal"]) == (rank, name)
    assert job.living() == []


def test_the_exception_of_a_rank_is_the_cause_though_the_launcher_was_not_waited_for(job: JobFolder) -> None:
    supervisor = job.supervise(launcher("deaf 600", "0.7 raise exit=1"))
    assert supervisor.wait(20) == 1
    cause = job.exit()["rootCause"]
    assert (cause["rank"], cause["exitCode"], cause["message"]) == (1, 1, "ValueError: enough")
    assert json.loads((job.folder / "error.json").read_text())["message"]["message"] == "ValueError: enough"


def test_a_code_without_an_exception_is_a_cause_too(job: JobFolder) -> None:
    assert job.supervise(launcher("deaf 600", "0.7 exit=9")).wait(20) == 1
    cause = job.exit()["rootCause"]
    assert (cause["rank"], cause["exitCode"], cause["message"]) == (1, 9, "It left no exception.")


def test_of_two_ranks_the_one_that_raised_first_is_the_cause_though_it_ends_last(job: JobFolder) -> None:
    assert job.supervise(launcher("0.9 kill", "0.7 raise 600")).wait(20) == 1
    assert (job.exit()["rootCause"]["rank"], job.exit()["rootCause"]["message"]) == (1, "ValueError: enough")


def test_ranks_that_finish_one_after_the_other_have_finished(job: JobFolder) -> None:
    supervisor = job.supervise(launcher("1.5 say=finished", "0.7 exit=0", "deaf 2.5"))
    assert supervisor.wait(20) == 0
    assert (job.exit()["reason"], job.exit()["rootCause"]) == ("finished", None)


def test_ranks_that_stop_one_after_the_other_lose_nothing(job: JobFolder) -> None:
    supervisor = job.supervise(launcher("stop save 1.5 saved say=preempted exit=143", "stop exit=143"))
    until(lambda: len(read_heartbeats(Job.at(job.folder))) == 2, "both ranks")
    time.sleep(1)
    assert stop(supervisor) == 143
    assert (job.exit()["reason"], job.events("ended")[-1]["reason"]) == ("preempted", "preempted")


def test_a_rank_that_leaves_as_if_it_was_told_to_stop_is_the_launchers_to_judge(job: JobFolder) -> None:
    assert job.supervise(launcher("2 say=preempted exit=143", "0.7 exit=143")).wait(20) == 143
    assert job.exit()["reason"] == "preempted"


def test_once_torchrun_has_reported_a_failure_nobody_waits_for_its_end(job: JobFolder) -> None:
    begin = time.monotonic()
    assert job.supervise(launcher("0.7 exit=143", "0.7 exit=143", "report")).wait(60) == 1
    assert time.monotonic() - begin < 20
    assert (job.exit()["reason"], job.exit()["code"]) == ("crashed", 1)
    assert (job.exit()["rootCause"]["rank"], job.exit()["rootCause"]["exitCode"]) == (1, 143)


def test_a_checkpoint_that_the_first_rank_is_writing_may_become_whole(job: JobFolder) -> None:
    assert job.supervise(launcher("save 2 saved say=preempted exit=143", "0.7 kill")).wait(20) == 143
    assert not list((job.folder / "checkpoints").glob(".*.part"))
    assert job.events("ended")


def test_those_whom_the_supervisor_killed_itself_are_no_cause(job: JobFolder) -> None:
    supervisor = job.supervise(launcher("deaf 600"), grace=0.3)
    until((job.folder / "beats/0").exists, "the rank")
    time.sleep(1)
    stop(supervisor)
    assert job.exit()["rootCause"] is None
