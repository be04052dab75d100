"""The queue for the GPUs of this machine: a folder of tickets, each locked by the process that waits.

Tickets sort by file name: lower priority number first, then earlier request. A job never overtakes another that could
use the same GPU; otherwise a run that needs many GPUs would starve.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EACCES, ELOOP
from pathlib import Path
from typing import Any

from everswin_trainer.system.atomic_file import parse_object
from everswin_trainer.system.file_lock import make_shared_folder, open_shared, try_flock
from everswin_trainer.system.json_fields import has_fields, is_integer, is_text

_REQUEST_FIELDS = {
    **{"run": is_text, "gpus": is_integer},
    "user": lambda value: value is None or is_text(value),
    "of": lambda value: isinstance(value, list) and all(map(is_text, value)),
}


@contextmanager
def guard(folder: Path) -> Iterator[None]:
    """Locks leases and tickets for one process at a time, for milliseconds."""
    descriptor = open_shared(folder / "guard")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Ticket:
    """The place of this process in the queue while `descriptor` is open."""

    path: Path
    descriptor: int

    @classmethod
    def issue(cls, folder: Path, priority: int, since: float, request: dict[str, Any]) -> "Ticket":
        """Joins the queue; `since` is in Unix seconds. Requires the guard."""
        queue = folder / "queue"
        make_shared_folder(queue)
        path = queue / f"{priority:02d}-{int(since * 1e6):020d}-{os.getpid()}.json"
        descriptor = open_shared(path, os.O_TRUNC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps(request).encode())
        return cls(path, descriptor)

    def ahead(self) -> list[dict[str, Any]]:
        """Returns the requests ahead of this one and removes tickets of dead processes. Requires the guard."""
        before = [path for path in sorted(self.path.parent.glob("*.json")) if path.name < self.path.name]
        return [request for path in before if (request := _read_if_living(path)) is not None]

    def leave(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def waiting_requests(folder: Path) -> list[dict[str, Any]]:
    """Returns the requests that wait for GPUs, first in line first. Requires the guard."""
    tickets = (_read_if_living(path) for path in sorted((folder / "queue").glob("*.json")))
    return [request for request in tickets if request is not None]


def request_state(request: dict[str, Any]) -> dict[str, Any]:
    """Returns a request as waiting.json shows it."""
    return {"run": request["run"], "user": request.get("user"), "gpus": request["gpus"]}


def _read_if_living(path: Path) -> dict[str, Any] | None:
    """Returns the request of a ticket; removes the ticket and returns None if its process has ended."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        # Whatever another user put here must not block the queue. Leases still keep the GPUs apart.
        if error.errno not in (EACCES, ELOOP):
            raise
        return None
    try:
        if try_flock(descriptor, fcntl.LOCK_SH):
            # In a folder with the sticky bit, only its owner may remove a ticket. A folder is no ticket.
            with suppress(PermissionError, IsADirectoryError):
                path.unlink(missing_ok=True)
            return None
        request = parse_object(os.pread(descriptor, 65536, 0))
        return request if has_fields(request, _REQUEST_FIELDS) else None
    finally:
        os.close(descriptor)
