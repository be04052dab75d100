import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from everswin_trainer.system.atomic_file import read_json, write_json
from everswin_trainer.system.process_tree import (
    ancestors,
    descendants,
    find_by_environment,
    find_openers,
    is_alive,
    start_ticks,
)


@contextmanager
def no_file_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize(
    "read",
    [
        lambda _path: is_alive(os.getpid(), start_ticks(os.getpid())),
        lambda _path: descendants(os.getpid()),
        lambda _path: ancestors(os.getpid()),
        lambda _path: find_by_environment("EVERSWIN_JOB", "/nowhere"),
        find_openers,
        read_json,
    ],
    ids=["is_alive", "descendants", "ancestors", "find_by_environment", "find_openers", "read_json"],
)
def test_a_full_file_table_is_an_error_and_no_absence(read: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / "object.json"
    write_json(file, {})
    assert read(file) is not None
    with no_file_descriptors(), pytest.raises(OSError, match="Too many open files"):
        read(file)
