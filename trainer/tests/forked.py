"""Runs commands of the trainer in forks of a server that has imported torch and MMDetection.

A fork starts in milliseconds; a new interpreter needs seconds to import them. A fork has no launcher and no supervisor,
so tests of those start processes instead.
"""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

from conftest import environment
from everswin_trainer.__main__ import main


class Fork:
    """A fork that runs `work`; `stdout` and `stderr` are files in `folder`."""

    def __init__(self, folder: Path, work: Callable[..., int], arguments: tuple, variables: dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.stdout, self.stderr = folder / "stdout", folder / "stderr"
        given = (work, arguments, {**environment(), **variables}, self.stdout, self.stderr)
        self.process = start_server().Process(target=_run, args=given)
        self.process.start()


def finish(forks: list[Fork], code: int, seconds: float = 240) -> None:
    """Waits until all forks have ended with `code`; kills the rest when one has not."""
    try:
        for fork in forks:
            fork.process.join(seconds)
            assert fork.process.exitcode == code, fork.stderr.read_text()[-4000:]
    finally:
        for fork in forks:
            fork.process.kill()


def start_command(folder: Path, *argv: str, **variables: str) -> Fork:
    """Starts `everswin_trainer ARGV` with these environment variables."""
    return Fork(folder, main, (list(argv),), variables)


def start_ranks(count: int, folder: Path, work: Callable[..., int], *arguments: object, **variables: str) -> list[Fork]:
    """Starts `work` on each of `count` ranks, with the variables that torchrun sets; output goes to `folder`/RANK."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    shared = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **variables}
    return [
        Fork(folder / rank, work, arguments, {**shared, "RANK": rank, "LOCAL_RANK": rank})
        for rank in map(str, range(count))
    ]


@cache
def start_server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    # The server keeps the environment of its start. CUDA must not be initialized before a fork.
    with environment_of({**environment(), "CUDA_VISIBLE_DEVICES": ""}):
        forkserver.ensure_running()
    return context


@contextmanager
def environment_of(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    _replace_environment(variables)
    try:
        yield
    finally:
        _replace_environment(before)


def _replace_environment(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


def _run(work: Callable[..., int], arguments: tuple, variables: dict[str, str], stdout: Path, stderr: Path) -> None:
    _replace_environment(variables)
    for number, path in ((1, stdout), (2, stderr)):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.exit(work(*arguments))
