"""Starts the ranks of a job as forks of a process that has imported everything, instead of through torchrun.

The launcher replaces torchrun on a single machine: it gives the ranks the same environment and store, forwards a stop,
ends all ranks when one fails, and reports the failure in torchrun's words.
"""

import atexit
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from torch.distributed import TCPStore
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure, record
from torch.distributed.run import get_args_parser

from everswin_trainer import __main__ as commands
from everswin_trainer.gpu.lease import Lease
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.rank_logs import rank_error_path
from everswin_trainer.supervisor.lock import JobLock
from everswin_trainer.supervisor.program import STOP_SIGNALS, WATCHED_SIGNALS
from everswin_trainer.supervisor.ranks import ERROR_FILE_ENV
from everswin_trainer.system.proc_strings import ProcStrings
from everswin_trainer.system.process_tree import die_with_parent

# That of torchrun.
STOP_SECONDS = 30.0
HOST = "127.0.0.1"
TORCHRUN = ["-m", "torch.distributed.run"]


@dataclass(frozen=True)
class Launch:
    """A training of `ranks` ranks on this machine. `command` is that of a rank, and contains `arguments` for us."""

    ranks: int
    command: list[str]
    arguments: list[str]

    @classmethod
    def parse(cls, program: list[str]) -> "Launch":
        """Parses the command line of torchrun. Raises ValueError unless it starts our ranks on this machine only."""
        python, *options = program
        if options[:2] != TORCHRUN:
            raise ValueError(f"expected {' '.join(TORCHRUN)}, got {' '.join(options[:2])}")
        torchrun = get_args_parser().parse_args(options[2:])
        if not torchrun.standalone or not torchrun.module or torchrun.training_script != commands.__package__:
            raise ValueError("expected torchrun --standalone with the module of the trainer")
        arguments = torchrun.training_script_args
        command = [python, "-m", torchrun.training_script, *arguments]
        return cls(int(torchrun.nproc_per_node), command, arguments)


def start(
    strings: ProcStrings, job: Job, attempt: Attempt, lock: JobLock, program: list[str], log: int, lease: Lease
) -> int:
    """Does what `start` of program.py does, with forks instead of `program`; returns the pid of the launcher."""
    launch, supervisor = Launch.parse(program), os.getpid()
    # Before the descriptors of the leases are closed.
    variables = {**attempt.environment(job), **lease.environment()}

    def run() -> int:
        die_with_parent(supervisor, signal.SIGTERM)
        for descriptor, standard in ((lock.descriptor, 0), (log, 1), (log, 2)):
            os.dup2(descriptor, standard)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.environ.update({**variables, ERROR_FILE_ENV: str(job.error)})
        strings.show(program, {**variables, ERROR_FILE_ENV: str(job.error)})
        return record(Launcher(strings, job, attempt, launch, variables).run)()

    return fork(run)


class Launcher:
    """Starts the ranks and waits until all have ended. Ended ranks stay zombies, so that the supervisor sees how."""

    def __init__(
        self, strings: ProcStrings, job: Job, attempt: Attempt, launch: Launch, variables: dict[str, str]
    ) -> None:
        self._strings = strings
        self._launch = launch
        self._variables = variables
        self._error_files = [rank_error_path(job, attempt.fence, rank) for rank in range(launch.ranks)]
        # Pids by rank.
        self._pids: list[int] = []

    def run(self) -> int:
        """Returns 0 once all ranks have, and 1 after a stop. Raises ChildFailedError after a failure."""
        self._error_files[0].parent.mkdir(exist_ok=True)
        listener = socket.create_server((HOST, 0))
        port = listener.getsockname()[1]
        self._pids = [fork(partial(self._run_rank, rank, listener)) for rank in range(self._launch.ranks)]
        # Made after the forks, because it starts threads. Ranks that are faster wait in the queue of the listener.
        store = TCPStore(
            HOST, port, is_master=True, wait_for_workers=False, master_listen_fd=listener.detach(),
            timeout=timedelta(seconds=STOP_SECONDS),
        )  # fmt: skip
        assert store.port == port
        while True:
            ended = self._ended()
            failed = [rank for rank, code in ended.items() if code != 0]
            if failed:
                self._stop()
                failures = {rank: self._failure(rank, ended[rank]) for rank in failed}
                raise ChildFailedError(commands.__package__, failures)
            if len(ended) == len(self._pids):
                return 0
            if signal.sigwait(WATCHED_SIGNALS) in STOP_SIGNALS:
                self._stop()
                return 1

    def _run_rank(self, rank: int, listener: socket.socket) -> int:
        os.setsid()
        port = listener.getsockname()[1]
        listener.close()
        variables = {**self._variables, **self._environment(rank, port)}
        os.environ.update(variables)
        self._strings.show(self._launch.command, variables)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED_SIGNALS)
        return commands.main(self._launch.arguments)

    def _environment(self, rank: int, port: int) -> dict[str, str]:
        """Returns the variables that torchrun sets (elastic/agent/server/local_elastic_agent.py)."""
        ranks = str(self._launch.ranks)
        return {
            **dict.fromkeys(("RANK", "LOCAL_RANK", "ROLE_RANK"), str(rank)),
            **dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE", "ROLE_WORLD_SIZE"), ranks),
            **{"GROUP_RANK": "0", "GROUP_WORLD_SIZE": "1", "ROLE_NAME": "default"},
            **{"MASTER_ADDR": HOST, "MASTER_PORT": str(port)},
            **{"TORCHELASTIC_RESTART_COUNT": "0", "TORCHELASTIC_MAX_RESTARTS": "0"},
            **{"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_USE_AGENT_STORE": "True"},
            "TORCH_NCCL_ASYNC_ERROR_HANDLING": os.environ.get("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1"),
            ERROR_FILE_ENV: str(self._error_files[rank]),
        }

    def _ended(self) -> dict[int, int]:
        """Returns the exit codes of ended ranks; negative for signals."""
        codes = {}
        for rank, pid in enumerate(self._pids):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                codes[rank] = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        return codes

    def _stop(self) -> None:
        """Sends SIGTERM to all ranks, and SIGKILL to those that live longer than torchrun allows."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while len(self._ended()) < len(self._pids) and (left := deadline - time.monotonic()) > 0:
            signal.sigtimedwait({signal.SIGCHLD}, left)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # A zombie keeps its pid, so no other process can have it.
        for pid in self._pids:
            os.kill(pid, number)

    def _failure(self, rank: int, code: int) -> ProcessFailure:
        return ProcessFailure(rank, self._pids[rank], code, str(self._error_files[rank]))


def fork(run: Callable[[], int]) -> int:
    """Runs `run` in a forked process, which exits with its result, like a program that ends; returns the pid."""
    # Otherwise both processes would write what is in the buffers.
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid != 0:
        return pid
    code = 1
    try:
        code = run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        # As at the end of an interpreter, without the frames of the parent below us.
        try:
            threading._shutdown()
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
