"""Finds which rank failed first, and why. torchrun always exits with 1, so its report is read instead.

torch.distributed.elastic writes two sources (torch 2.10, elastic/multiprocessing/errors/__init__.py). The launcher's
error file contains the exception, if the rank could record one. The block "Root Cause (first observed failure)" in the
log contains rank, pid and exit code; it is the only source for a rank that was killed.
"""

import re
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

from everswin_trainer.system.atomic_file import read_json
from everswin_trainer.system.json_fields import is_number

MESSAGE_CHARACTERS = 2000
# The block is at the end of the log; its traceback can be long.
LOG_TAIL_BYTES = 256 * 1024

_BLOCK = re.compile(
    r"Root Cause \(first observed failure\):\n\[\d+\]:\n"
    r"\s+time\s+: (?P<time>\S+)\n"
    r"\s+host\s+: .*\n"
    r"\s+rank\s+: (?P<rank>\d+) .*\n"
    r"\s+exitcode\s+: (?P<code>-?\d+) \(pid: (?P<pid>\d+)\)\n"
    r"\s+error_file: .*\n"
    r"\s+traceback : (?P<text>.*)"
)
_BLOCK_END = re.compile(r"^=+\n", re.MULTILINE)


def read_root_cause(error_file: Path, log: Path, log_offset: int) -> dict[str, Any] | None:
    """Returns `rootCause` from this attempt's error file and part of the log; None if neither contains a failure."""
    recorded = read_error(error_file)
    reported = _from_log(log, log_offset)
    if recorded is None and reported is None:
        return None
    return make_root_cause(**{**(reported or {}), **(recorded or {})})


def make_root_cause(**known: Any) -> dict[str, Any]:
    """Returns a `rootCause` in which every field that is not `known` is None."""
    return {"rank": None, "pid": None, "exitCode": None, "signal": None, "message": None, "at": None, **known}


def signal_name(number: int) -> str:
    """Returns `SIGKILL` for 9; the number itself if this machine has no name for it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def read_error(path: Path) -> dict[str, Any] | None:
    """Returns message and, if known, time of the exception in a torchelastic error file; None without an exception."""
    content = (read_json(path) or {}).get("message")
    if isinstance(content, str):
        return {"message": content[:MESSAGE_CHARACTERS]}
    if not isinstance(content, dict):
        return None
    error: dict[str, Any] = {"message": str(content.get("message", ""))[:MESSAGE_CHARACTERS]}
    extra = content.get("extraInfo")
    try:
        # torchelastic writes text.
        at = float(extra.get("timestamp")) if isinstance(extra, dict) else None
    except (TypeError, ValueError, OverflowError):
        return error
    return {**error, "at": at} if is_number(at) else error


def has_report(log: Path, log_offset: int) -> bool:
    """Returns whether this attempt's part of the log contains torchrun's complete report."""
    text = _tail(log, log_offset)
    block = _last_block(text)
    return block is not None and _BLOCK_END.search(text, block.end()) is not None


def _from_log(path: Path, offset: int) -> dict[str, Any] | None:
    block = _last_block(_tail(path, offset))
    if block is None:
        return None
    code = int(block["code"])
    return {
        "rank": int(block["rank"]),
        "pid": int(block["pid"]),
        "exitCode": code if code >= 0 else None,
        "signal": signal_name(-code) if code < 0 else None,
        "message": block["text"].strip()[:MESSAGE_CHARACTERS],
        "at": datetime.strptime(block["time"], "%Y-%m-%d_%H:%M:%S").timestamp(),
    }


def _last_block(text: str) -> re.Match[str] | None:
    blocks = list(_BLOCK.finditer(text))
    return blocks[-1] if blocks else None


def _tail(path: Path, offset: int) -> str:
    try:
        with open(path, "rb") as stream:
            end = stream.seek(0, 2)
            stream.seek(max(offset, end - LOG_TAIL_BYTES))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""
