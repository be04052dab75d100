import fcntl
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import pytest

from conftest import PROGRAMS, JobFolder, is_watched, stop, until
from everswin_trainer.job.folder import Job
from everswin_trainer.job.heartbeat import read_heartbeats
from everswin_trainer.system.process_tree import ancestors, start_ticks


def tree(job: JobFolder, mode: str) -> list[str]:
    return [sys.executable, str(PROGRAMS / "tree.py"), str(job.root / "grandchild"), mode]


def hanging(*switches: str) -> list[str]:
    return [sys.executable, str(PROGRAMS / "hanging.py"), *switches]


def torchrun(ranks: int, behavior: str) -> list[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "--max-restarts", "0"]
    return [sys.executable, *launch, str(PROGRAMS / "rank.py"), behavior]


def launcher(*ranks: str) -> list[str]:
    return [sys.executable, str(PROGRAMS / "launcher.py"), *ranks]


def grandchild(job: JobFolder) -> int:
    return int(
        until(lambda: (job.root / "grandchild").exists() and (job.root / "grandchild").read_text(), "the grandchild")
    )


def wait_for_watch(job: JobFolder, supervisor: subprocess.Popen[str], ranks: int) -> list[int]:
    """Waits until the supervisor watches that many ranks; returns their pids by rank."""

    def watched() -> list[int]:
        heartbeats = sorted(read_heartbeats(Job.at(job.folder)), key=lambda heartbeat: heartbeat.rank)
        return [heartbeat.pid for heartbeat in heartbeats if is_watched(supervisor, heartbeat.pid)]

    return until(lambda: len(watched()) == ranks and watched(), "the supervisor to watch all ranks")


def lock_is_free(job: JobFolder) -> bool:
    with open(job.folder / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_program_finished_when_it_reports_so_and_exits_with_0(job: JobFolder) -> None:
    assert job.supervise(job.fake_training()).wait(60) == 0
    ending = job.exit()
    assert (ending["reason"], ending["code"], ending["signal"], ending["stopRequested"]) == ("finished", 0, None, False)
    assert (ending["attempt"], ending["fence"], ending["rootCause"]) == (1, 10, None)
    assert ending["startedAt"] < ending["endedAt"] < time.time()
    assert lock_is_free(job)


def test_program_crashed_when_it_exits_with_0_without_an_event(job: JobFolder) -> None:
    assert job.supervise(["true"]).wait(60) == 1
    assert (job.exit()["reason"], job.exit()["code"]) == ("crashed", 0)


def test_crash_records_code_and_cause(job: JobFolder) -> None:
    assert job.supervise(job.fake_training("--fail-at-step", "2", "--fail-message", "no room")).wait(60) == 1
    ending = job.exit()
    assert (ending["reason"], ending["code"]) == ("crashed", 1)
    assert ending["rootCause"]["message"] == "RuntimeError: no room"
    assert "RuntimeError: no room" in (job.folder / "trainer.log").read_text()


def test_killed_program_is_a_crash_with_its_signal(job: JobFolder) -> None:
    assert job.supervise(job.fake_training("--kill-at-step", "2")).wait(60) == 1
    assert (job.exit()["reason"], job.exit()["code"], job.exit()["signal"]) == ("crashed", None, "SIGKILL")


def test_program_that_cannot_start_is_a_crash(job: JobFolder) -> None:
    assert job.supervise(["/nowhere/python"]).wait(60) == 1
    assert job.exit()["code"] == 127
    assert "cannot start /nowhere/python" in job.exit()["rootCause"]["message"]


def test_owner_is_identified_by_pid_and_start_time(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--hang-at-step", "1"), grace=0.2)
    until(lambda: job.events("started"), "the start")
    owner = json.loads((job.folder / "owner.json").read_text())
    assert (owner["pid"], owner["startTicks"]) == (supervisor.pid, start_ticks(supervisor.pid))
    assert (owner["v"], owner["attempt"], owner["fence"], owner["logOffset"]) == (1, 1, 10, 0)
    stop(supervisor)


def test_owner_records_the_log_offset(job: JobFolder) -> None:
    job.supervise(["sh", "-c", "echo the first"]).wait(60)
    size = (job.folder / "trainer.log").stat().st_size
    job.supervise(["sh", "-c", "echo the second"], attempt=2).wait(60)
    assert json.loads((job.folder / "owner.json").read_text())["logOffset"] == size == len("the first\n")


def test_sigterm_preempts_a_cooperative_program(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--steps-per-epoch", "10000"))
    job.wait_for_step(3)
    assert stop(supervisor) == 143
    assert (job.exit()["reason"], job.exit()["code"], job.exit()["stopRequested"]) == ("preempted", 143, True)
    assert job.events("ended")[-1]["reason"] == "preempted"


def test_sigint_requests_a_stop(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--steps-per-epoch", "10000"))
    job.wait_for_step(3)
    assert stop(supervisor, signal.SIGINT) == 143


def test_stop_before_the_first_step_is_a_preemption(job: JobFolder) -> None:
    supervisor = job.supervise(["sleep", "600"])
    until(job.living, "the program")
    assert stop(supervisor) == 143
    assert (job.exit()["reason"], job.exit()["signal"]) == ("preempted", "SIGTERM")


def test_stubborn_program_is_killed_after_the_grace_period(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--ignore-sigterm", "--steps-per-epoch", "10000"), grace=0.5)
    job.wait_for_step(3)
    begin = time.monotonic()
    assert stop(supervisor) == 1
    assert time.monotonic() - begin >= 0.5
    assert (job.exit()["reason"], job.exit()["signal"], job.exit()["stopRequested"]) == ("crashed", "SIGKILL", True)


def test_stop_kills_a_stubborn_grandchild_in_its_own_session(job: JobFolder) -> None:
    supervisor = job.supervise(tree(job, "stubborn"), grace=0.5)
    pid = grandchild(job)
    assert os.getsid(pid) == pid
    stop(supervisor)
    assert start_ticks(pid) is None
    assert job.living() == []
    assert lock_is_free(job)


def test_orphans_are_killed_before_exit_is_written(job: JobFolder) -> None:
    assert job.supervise(tree(job, "leave")).wait(60) == 1
    assert start_ticks(grandchild(job)) is None
    assert lock_is_free(job)


def test_second_supervisor_is_locked_out_and_changes_nothing(job: JobFolder) -> None:
    first = job.supervise(job.fake_training("--hang-at-step", "1"), grace=0.2)
    until(lambda: job.events("started"), "the start")
    before = {path: path.read_bytes() for path in job.folder.iterdir() if path.is_file()}
    second = job.supervise(job.fake_training(), attempt=2)
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 75
    assert json.loads(output)["reason"] == "locked"
    assert json.loads(output)["owner"]["pid"] == first.pid
    assert {path: path.read_bytes() for path in job.folder.iterdir() if path.is_file()} == before
    stop(first)


def test_superseded_supervisor_starts_nothing(job: JobFolder) -> None:
    (job.folder / "fences").mkdir(parents=True)
    for token in (10, 11):
        (job.folder / "fences" / str(token)).touch()
    output, _ = job.supervise(job.fake_training(), attempt=1).communicate(timeout=60)
    assert json.loads(output)["reason"] == "superseded"
    assert not (job.folder / "owner.json").exists()


def test_one_of_many_concurrent_supervisors_runs(job: JobFolder) -> None:
    racing = [job.supervise(job.fake_training("--step-seconds", "0.05"), attempt=number) for number in range(1, 9)]
    codes = sorted(supervisor.wait(60) for supervisor in racing)
    assert codes == [0] + [75] * 7
    assert len(job.events("started")) == 1


def test_next_supervisor_kills_survivors_first(job: JobFolder) -> None:
    first = job.supervise(job.fake_training("--ignore-sigterm", "--steps-per-epoch", "10000"))
    job.wait_for_step(3)
    [survivor] = job.living()
    stop(first, signal.SIGKILL)
    assert start_ticks(survivor) is not None
    assert not lock_is_free(job)
    assert job.supervise(job.fake_training(), attempt=2).wait(60) == 0
    assert start_ticks(survivor) is None
    assert f"killed survivors of a dead supervisor: [{survivor}]" in (job.folder / "trainer.log").read_text()
    attempts = [event["attempt"] for event in job.events()]
    assert attempts == sorted(attempts), "the two trainers never write at the same time"


def test_survivor_without_the_environment_is_found_by_its_lock(job: JobFolder) -> None:
    first = job.supervise(
        ["env", "-i", "sh", "-c", f"trap '' TERM; : > {job.root}/trapped; while :; do sleep 0.1; done"]
    )
    until((job.root / "trapped").exists, "the program")
    assert job.living() == []
    stop(first, signal.SIGKILL)
    assert not lock_is_free(job)
    assert job.supervise(job.fake_training(), attempt=2).wait(60) == 0


def test_cooperative_program_stops_when_its_supervisor_is_killed(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--steps-per-epoch", "10000"))
    job.wait_for_step(3)
    stop(supervisor, signal.SIGKILL)
    until(lambda: job.living() == [], "the program to end")
    assert job.events("ended")[-1]["reason"] == "preempted"


def test_outcome_of_the_previous_attempt_is_deleted_at_the_start(job: JobFolder) -> None:
    job.supervise(job.fake_training("--fail-at-step", "1")).wait(60)
    supervisor = job.supervise(job.fake_training("--hang-at-step", "2"), attempt=2, grace=0.2)
    until(lambda: [event for event in job.events("started") if event["attempt"] == 2], "the second start")
    assert not (job.folder / "exit.json").exists()
    assert not (job.folder / "error.json").exists()
    stop(supervisor)


def test_rank_under_torchrun_and_its_forks_hold_the_lock(job: JobFolder) -> None:
    supervisor = job.supervise(torchrun(1, "hold"))
    worker = int(until(lambda: (job.folder / "forked").exists() and (job.folder / "forked").read_text(), "the fork"))
    others = [pid for pid in job.living() if pid != worker]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        # Stopped first, so that neither supervisor nor launcher kills the worker when the other dies.
        for pid in [supervisor.pid, *others]:
            os.kill(pid, number)
    supervisor.wait()
    until(lambda: job.living() == [worker], "all but the forked worker to end")
    assert not lock_is_free(job)
    os.kill(worker, signal.SIGKILL)
    until(lambda: lock_is_free(job), "the lock")


def test_root_cause_describes_a_rank_that_raised(job: JobFolder) -> None:
    assert job.supervise(torchrun(2, "raise")).wait(120) == 1
    cause = job.exit()["rootCause"]
    assert job.exit()["code"] == 1
    assert (cause["rank"], cause["exitCode"], cause["signal"]) == (1, 1, None)
    assert cause["message"] == "ValueError: rank 1 fails"
    assert abs(cause["at"] - time.time()) < 60
    assert job.living() == []


def test_root_cause_describes_a_rank_that_was_killed(job: JobFolder) -> None:
    assert job.supervise(torchrun(2, "die")).wait(120) == 1
    cause = job.exit()["rootCause"]
    assert (cause["rank"], cause["exitCode"], cause["signal"]) == (1, None, "SIGKILL")
    assert f"Signal 9 (SIGKILL) received by PID {cause['pid']}" in cause["message"]
    assert abs(cause["at"] - time.time()) < 60


def test_hung_program_is_killed_after_its_stacks_are_logged(job: JobFolder) -> None:
    assert job.supervise(hanging("0.1", "hang"), stall=["startup=20", "step=1"]).wait(60) == 1
    ending = job.exit()
    assert (ending["reason"], ending["signal"], ending["stopRequested"]) == ("hung", "SIGKILL", False)
    assert re.fullmatch(
        r"no heartbeat for \d+ s in phase step \(limit 1 s\) after 3 heartbeats; "
        r"stack traces of all ranks are in trainer.log",
        ending["rootCause"]["message"],
    )
    assert "in wait_forever" in (job.folder / "trainer.log").read_text()
    assert job.living() == []
    assert lock_is_free(job)


def test_rank_stopped_by_sigstop_counts_as_hung(job: JobFolder) -> None:
    assert job.supervise(hanging("freeze"), stall=["step=1"]).wait(60) == 1
    assert job.exit()["reason"] == "hung"
    assert "File" in (job.folder / "trainer.log").read_text()
    assert job.living() == []


def test_program_without_heartbeats_hangs_in_startup(job: JobFolder) -> None:
    assert job.supervise(["sleep", "600"], stall=["startup=0.5"]).wait(60) == 1
    assert "in phase startup (limit 0 s) after 0 heartbeats" in job.exit()["rootCause"]["message"]


def test_slow_program_is_not_killed(job: JobFolder) -> None:
    supervisor = job.supervise(hanging("0.7", "2.5", "finish"), stall=["startup=20", "step=1"])
    assert supervisor.wait(60) == 1
    assert (job.exit()["reason"], job.exit()["code"]) == ("crashed", 0), "it exited by itself without an event"


def test_watchdog_is_off_by_default(job: JobFolder) -> None:
    supervisor = job.supervise(hanging("hang"))
    until(lambda: (job.folder / "heartbeats/0").exists(), "the first heartbeat")
    time.sleep(2)
    assert supervisor.poll() is None
    stop(supervisor)


def test_watchdog_is_off_during_a_stop(job: JobFolder) -> None:
    supervisor = job.supervise(tree(job, "stubborn"), grace=2.5, stall=["startup=1.5"])
    grandchild(job)
    stop(supervisor)
    assert (job.exit()["reason"], job.exit()["stopRequested"]) == ("preempted", True), "no step was lost"


def test_heartbeats_of_the_previous_attempt_are_deleted(job: JobFolder) -> None:
    (job.folder / "heartbeats").mkdir(parents=True)
    (job.folder / "heartbeats/7").write_text("1 step 1000")
    job.supervise(["true"]).wait(60)
    assert not (job.folder / "heartbeats").exists()


def test_unknown_phase_is_refused(job: JobFolder) -> None:
    supervisor = job.supervise(["true"], stall=["sleeping=3"])
    output, _ = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 2
    assert "expected PHASE=SECONDS with a phase of startup, step, validation, saving, got sleeping=3" in output


def test_dead_rank_ends_the_waiting_ranks_at_once(job: JobFolder) -> None:
    """Without the supervisor, torchrun would wait for them for 30 s."""
    supervisor = job.supervise(torchrun(2, "deaf"))
    _, pid = wait_for_watch(job, supervisor, ranks=2)
    # Keeps torchrun from reaping the rank before a supervisor on a busy machine has read its status.
    os.kill(ancestors(pid)[0], signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    begin = time.monotonic()
    assert supervisor.wait(60) == 1
    assert time.monotonic() - begin < 20
    ending = job.exit()
    assert (ending["reason"], ending["code"], ending["signal"]) == ("crashed", 1, None), "as torchrun would have exited"
    cause = ending["rootCause"]
    assert (cause["rank"], cause["pid"], cause["exitCode"], cause["signal"]) == (1, pid, None, "SIGKILL")
    assert cause["message"] == f"Signal 9 (SIGKILL) received by PID {pid}"
    assert abs(cause["at"] - time.time()) < 60
    assert f"supervise: rank 1 (pid {pid}) failed first, with SIGKILL" in (job.folder / "trainer.log").read_text()
    assert job.living() == []
    assert lock_is_free(job)


@pytest.mark.parametrize(("how", "rank", "name"), [("reported", 1, "SIGKILL"), ("silent", 0, "SIGTERM")])
def test_report_of_the_launcher_overrides_a_later_failure(job: JobFolder, how: str, rank: int, name: str) -> None:
    assert job.supervise([sys.executable, str(PROGRAMS / "missed_rank.py"), how]).wait(60) == 1
    cause = job.exit()["rootCause"]
    assert (cause["rank"], cause["signal"]) == (rank, name)
    assert job.living() == []


def test_exception_of_a_rank_is_the_cause_without_a_report(job: JobFolder) -> None:
    supervisor = job.supervise(launcher("deaf 600", "0.7 raise exit=1"))
    assert supervisor.wait(60) == 1
    cause = job.exit()["rootCause"]
    assert (cause["rank"], cause["exitCode"], cause["message"]) == (1, 1, "ValueError: failed")
    assert json.loads((job.folder / "error.json").read_text())["message"]["message"] == "ValueError: failed"


def test_exit_code_without_an_exception_is_a_cause(job: JobFolder) -> None:
    assert job.supervise(launcher("deaf 600", "0.7 exit=9")).wait(60) == 1
    cause = job.exit()["rootCause"]
    assert (cause["rank"], cause["exitCode"], cause["message"]) == (1, 9, "It recorded no exception.")


def test_rank_that_raised_first_is_the_cause_even_if_it_exits_last(job: JobFolder) -> None:
    assert job.supervise(launcher("0.9 kill", "0.7 raise 600")).wait(60) == 1
    assert (job.exit()["rootCause"]["rank"], job.exit()["rootCause"]["message"]) == (1, "ValueError: failed")


def test_ranks_may_finish_one_after_the_other(job: JobFolder) -> None:
    supervisor = job.supervise(launcher("1.5 report=finished", "0.7 exit=0", "deaf 2.5"))
    assert supervisor.wait(60) == 0
    assert (job.exit()["reason"], job.exit()["rootCause"]) == ("finished", None)


def test_ranks_may_stop_one_after_the_other(job: JobFolder) -> None:
    supervisor = job.supervise(launcher("stop save 1.5 saved report=preempted exit=143", "stop exit=143"))
    wait_for_watch(job, supervisor, ranks=2)
    assert stop(supervisor) == 143
    assert (job.exit()["reason"], job.events("ended")[-1]["reason"]) == ("preempted", "preempted")


def test_rank_that_exits_like_a_stop_is_judged_by_the_launcher(job: JobFolder) -> None:
    assert job.supervise(launcher("2 report=preempted exit=143", "0.7 exit=143")).wait(60) == 143
    assert job.exit()["reason"] == "preempted"


def test_launcher_is_killed_once_it_has_reported_a_failure(job: JobFolder) -> None:
    assert job.supervise(launcher("0.7 exit=143", "0.7 exit=143", "torchrun-report")).wait(60) == 1
    assert (job.exit()["reason"], job.exit()["code"]) == ("crashed", 1)
    assert (job.exit()["rootCause"]["rank"], job.exit()["rootCause"]["exitCode"]) == (1, 143)


def test_rank0_may_complete_a_save_after_another_rank_failed(job: JobFolder) -> None:
    assert job.supervise(launcher("save 2 saved report=preempted exit=143", "0.7 kill")).wait(60) == 143
    assert not list((job.folder / "checkpoints").glob(".*.part"))
    assert job.events("ended")


def test_ranks_killed_by_the_supervisor_are_not_the_cause(job: JobFolder) -> None:
    supervisor = job.supervise(launcher("deaf 600"), grace=0.3)
    wait_for_watch(job, supervisor, ranks=1)
    stop(supervisor)
    assert job.exit()["rootCause"] is None


def limit_files(supervisor: subprocess.Popen[str], limit: int) -> None:
    """From now on, the supervisor can open no file whose descriptor is `limit` or higher."""
    _, hard = resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE, (limit, hard))


def test_supervisor_survives_a_passing_error_of_its_poll_and_of_its_record(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--step-seconds", "0.05"), grace=30)
    job.wait_for_step(3)
    limit_files(supervisor, 3)
    until(lambda: job.events("ended"), "the end of the training")
    time.sleep(1)
    assert supervisor.poll() is None
    limit_files(supervisor, 256)
    assert supervisor.wait(60) == 0
    assert (job.exit()["reason"], len(job.events("started"))) == ("finished", 1)


def test_supervisor_ends_after_a_lasting_error_and_the_trainer_saves(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--steps-per-epoch", "10000"), grace=1)
    job.wait_for_step(3)
    limit_files(supervisor, 3)
    assert supervisor.wait(60) != 0
    until(lambda: not job.living(), "the end of the trainer")
    assert job.events("ended")[-1]["reason"] == "preempted"
