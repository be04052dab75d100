"""Two users of one machine share the folder of GPU leases."""

import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from everswin_trainer.gpu.devices import CPU, Gpu
from everswin_trainer.gpu.lease import Holder, Lease, clear_stale, find_holders, hold_leases, try_acquire
from everswin_trainer.gpu.lease_folder import DEFAULT_GROUP, LeaseFolderUnusable, prepare_lease_folder
from everswin_trainer.gpu.queue import Ticket, guard
from everswin_trainer.job.folder import Job
from everswin_trainer.system.file_lock import open_shared

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")

# Users without an entry in /etc/passwd, as an account that was deleted, and a group of both.
ALICE, BOB, GROUP = 65533, 65532, 65531


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder as docs/how-to/share-gpus.md creates it."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    folder = root / "gpus"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(0o2770)
    yield folder
    shutil.rmtree(root)


def fork_as(user: int, work: Callable[[], object]) -> int:
    """Runs `work` in a fork, as a user of GROUP with a primary group of its own and a strict umask; returns its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([GROUP])
            os.setgid(user)
            os.setuid(user)
            os.umask(0o077)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def run_as(user: int, work: Callable[[], object]) -> None:
    """Runs `work` as a user; fails if it raises."""
    assert os.waitstatus_to_exitcode(os.waitpid(fork_as(user, work), 0)[1]) == 0


def home_of(shared: Path, user: int) -> Path:
    """Creates the home of a user, which no other one can read."""
    home = shared.parent / str(user)
    home.mkdir(exist_ok=True)
    os.chown(home, user, user)
    home.chmod(0o700)
    return home


def acquire(shared: Path) -> tuple[Lease | None, list[Holder]]:
    job = Job.at(shared.parent / f"{os.getuid()}/train")
    with guard(shared):
        clear_stale(shared, job)
        lease, held = try_acquire(shared, [Gpu(CPU, 0, CPU, 0)], 1, job)
    if lease is not None:
        lease.write_record({"job": str(job.folder), "run": "demo", "user": f"uid {os.getuid()}", "pid": os.getpid()})
    return lease, held


@pytest.mark.parametrize("mode", [0o2770, 0o770, 0o777, 0o1777], ids=lambda mode: f"{mode:04o}")
def test_users_lease_and_queue_one_after_the_other(shared: Path, mode: int) -> None:
    shared.chmod(mode)

    def train() -> None:
        prepare_lease_folder(shared)
        with guard(shared):
            ticket = Ticket.issue(shared, 3, 0.0, {"run": "x", "gpus": 1, "of": [CPU]})
            # The ticket of the user before is that of a dead process.
            assert ticket.ahead() == []
            assert find_holders(shared) == []
        assert acquire(shared)[0] is not None

    for user in (ALICE, BOB, ALICE):
        home_of(shared, user)
        run_as(user, train)
    for path in (shared / "guard", shared / "cpu.lock"):
        assert (path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (GROUP, mode & 0o666)
    assert (shared / "queue").stat().st_gid == GROUP


def test_ranks_that_survive_the_supervisor_of_another_user_keep_its_gpu(shared: Path) -> None:
    home_of(shared, ALICE)
    home_of(shared, BOB)
    rank_file = home_of(shared, ALICE) / "rank"

    def train_and_die() -> None:
        lease, _ = acquire(shared)
        assert lease is not None
        leases = lease.environment()["EVERSWIN_GPU_LEASES"]
        rank = os.fork()
        if rank == 0:
            # As torchrun does.
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            os.environ["EVERSWIN_GPU_LEASES"] = leases
            hold_leases()
            written = rank_file.with_suffix(".written")
            written.write_text(str(os.getpid()))
            written.rename(rank_file)
            time.sleep(600)
        while not rank_file.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(fork_as(ALICE, train_and_die), 0)

    def wait() -> None:
        lease, held = acquire(shared)
        assert lease is None
        state = held[0].state()
        assert (state["run"], state["user"], state["orphaned"]) == ("demo", f"uid {ALICE}", True)
        with guard(shared):
            assert [holder.state() for holder in find_holders(shared)] == [state]

    run_as(BOB, wait)
    os.kill(int(rank_file.read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{rank_file.read_text()}") and time.monotonic() < deadline:
        time.sleep(0.01)

    def train() -> None:
        assert acquire(shared)[0] is not None

    run_as(BOB, train)


def test_what_another_user_left_in_the_queue_does_not_block_it(shared: Path) -> None:
    queue = shared / "queue"
    queue.mkdir()
    os.chown(queue, ALICE, GROUP)
    queue.chmod(0o2770)
    secret, folder, link, damaged = (queue / f"01-0000000000000000000{i}-1.json" for i in range(4))
    secret.touch(mode=0o600)
    folder.mkdir(mode=0o777)
    link.symlink_to(secret)
    damaged.write_bytes(b'{"run": 5')

    def train() -> None:
        with guard(shared):
            assert Ticket.issue(shared, 3, 1.0, {"run": "x", "gpus": 1, "of": [CPU]}).ahead() == []

    run_as(BOB, train)


def test_a_lock_file_of_another_user_is_opened_without_creating_it(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared / "cpu.lock"
    path.touch()
    opened: list[int] = []
    monkeypatch.setattr("os.open", lambda _, flags, *mode: opened.append(flags) or 0)
    open_shared(path)
    # fs.protected_regular refuses O_CREAT for it in a folder with the sticky bit.
    assert not opened[0] & os.O_CREAT


def unusable(shared: Path, user: int) -> str:
    """Returns the message of a user who cannot use the folder, after the check of its beginning."""
    found = Path(tempfile.mkstemp()[1])
    found.chmod(0o666)

    def prepare() -> None:
        with pytest.raises(LeaseFolderUnusable) as raised:
            prepare_lease_folder(shared)
        found.write_text(str(raised.value))

    run_as(user, prepare)
    return found.read_text()


def test_a_folder_that_is_not_shared_is_refused_with_the_command_that_shares_it(shared: Path) -> None:
    shared.chmod(0o755)
    os.chown(shared, ALICE, ALICE)
    for name in ("guard", "cpu.lock"):
        (shared / name).touch(mode=0o600)
    message = unusable(shared, BOB)
    assert message.startswith(f"[Errno 13] Permission denied: '{shared}'. {shared} belongs to uid {ALICE}:gid {ALICE}")
    assert f"with mode 0755, and this worker runs as uid {BOB}. To share the folder, run as root: groupadd" in message
    command = message[message.index("install ") : message.index(". Then log in again")]
    # This machine need not have the group.
    subprocess.run(["sh", "-ec", command.replace(DEFAULT_GROUP, str(GROUP))], check=True)
    run_as(BOB, lambda: prepare_lease_folder(shared))
    assert stat.S_IMODE(shared.stat().st_mode) == 0o2770


@pytest.mark.parametrize("name", ["guard", "cpu.lock", "queue"])
def test_a_file_that_another_user_does_not_share_is_named(shared: Path, name: str) -> None:
    if name == "queue":
        (shared / name).mkdir(mode=0o700)
    else:
        (shared / name).touch(mode=0o600)
    message = unusable(shared, BOB)
    assert message.startswith(f"[Errno 13] Permission denied: '{shared / name}'. {shared / name} belongs to root:gid")
    assert f"chmod -R g+rwX {shared}" in message


def test_what_is_no_folder_or_no_file_is_named(shared: Path) -> None:
    (shared / "cpu.lock").symlink_to("/etc/passwd")
    assert unusable(shared, BOB).endswith(f"A symbolic link is not followed here. Remove it: rm {shared}/cpu.lock")
    (shared / "file").touch()
    message = unusable(shared / "file", BOB)
    assert message.startswith(f"[Errno 17] File exists: '{shared}/file'. Move it away, or set EVERSWIN_GPU_FOLDER")


def test_a_folder_that_cannot_be_reached_is_named_with_its_closed_parent(shared: Path) -> None:
    shared.parent.chmod(0o700)
    message = unusable(shared, BOB)
    assert f"Permission denied: '{shared}'. {shared.parent} belongs to root:root with mode 0700" in message


def test_a_user_who_joined_the_group_later_is_told_to_log_in_again(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(shared, 0, 0)
    monkeypatch.setattr("everswin_trainer.gpu.lease_folder.must_log_in_again", lambda group: group == 0)
    assert unusable(shared, BOB).endswith(
        "joined that group later than this process started: log in again and restart the worker"
    )
