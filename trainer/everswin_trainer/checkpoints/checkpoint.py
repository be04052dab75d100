"""Checkpoints that exist whole or not at all: the file, then its manifest. No manifest = does not exist.

Knows nothing of torch: what a checkpoint holds is the business of the `write` function that the caller passes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from everswin_trainer.job.folder import Attempt
from everswin_trainer.system.atomic_file import TEMPORARY_SUFFIX, fsync_folder, read_json, write_atomic, write_json
from everswin_trainer.system.hashing import HashingStream, hash_file

FILE_SUFFIX = ".pth"


@dataclass(frozen=True)
class Checkpoint:
    """What a manifest describes. `epoch` counts whole epochs done, `iteration` steps done in the run."""

    path: Path
    bytes: int
    sha256: str
    epoch: int
    iteration: int
    plan_hash: str

    @property
    def manifest(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def position(self) -> tuple[int, int]:
        return self.epoch, self.iteration

    def is_intact(self) -> bool:
        """Reads the whole file back: size and SHA-256 are those of the manifest."""
        return self.has_expected_size() and hash_file(self.path) == self.sha256

    def has_expected_size(self) -> bool:
        try:
            return self.path.stat().st_size == self.bytes
        except OSError:
            return False


@dataclass(frozen=True)
class Origin:
    """Who writes: goes into every manifest. `torch` is the version of the tensor library, None without one."""

    plan_hash: str
    attempt: Attempt
    torch: str | None


def save_checkpoint(
    folder: Path, epoch: int, iteration: int, origin: Origin, write: Callable[[BinaryIO], None]
) -> Checkpoint:
    """Writes one checkpoint through `write(stream)` and then its manifest; returns it.

    A file of the same position is replaced; its old manifest goes first, so that no manifest ever describes other
    bytes. Raises OSError (disk full, …); then the checkpoint does not exist and all others are untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"e{epoch:03d}-i{iteration:06d}{FILE_SUFFIX}"
    with write_atomic(path) as stream:
        hashing = HashingStream(stream)
        write(hashing)
        path.with_suffix(".json").unlink(missing_ok=True)
    checkpoint = Checkpoint(path, hashing.bytes, hashing.sha256(), epoch, iteration, origin.plan_hash)
    write_json(
        checkpoint.manifest,
        {
            "v": 1,
            "file": path.name,
            "bytes": checkpoint.bytes,
            "sha256": checkpoint.sha256,
            "epoch": epoch,
            "iteration": iteration,
            "planHash": origin.plan_hash,
            "attempt": origin.attempt.number,
            "fence": origin.attempt.fence,
            "createdAt": time.time(),
            "torch": origin.torch,
        },
    )
    return checkpoint


def load_manifest(path: Path) -> Checkpoint | None:
    """The checkpoint of a manifest file, or None if that does not parse or names another file than its own."""
    content = read_json(path) or {}
    try:
        checkpoint = Checkpoint(
            path.with_suffix(FILE_SUFFIX),
            _non_negative_int(content["bytes"]),
            str(content["sha256"]),
            _non_negative_int(content["epoch"]),
            _non_negative_int(content["iteration"]),
            str(content["planHash"]),
        )
    except (KeyError, ValueError):
        return None
    return checkpoint if content.get("file") == checkpoint.path.name else None


def load_checkpoint(path: Path, plan_hash: str) -> Checkpoint:
    """The intact checkpoint at `path`. Raises ValueError saying what is wrong with it."""
    checkpoint = load_manifest(path.with_suffix(".json"))
    if checkpoint is None:
        raise ValueError(f"{path} has no readable manifest: it does not exist as a checkpoint")
    if checkpoint.plan_hash != plan_hash:
        raise ValueError(f"expected {path} to belong to plan {plan_hash}, got one of plan {checkpoint.plan_hash}")
    if not checkpoint.is_intact():
        raise ValueError(f"{path} is damaged: its bytes are not those of its manifest")
    return checkpoint


def checkpoint_from_weights(path: Path, plan_hash: str) -> Checkpoint:
    """Weights that no training of ours made, as if they were its beginning. Raises OSError."""
    return Checkpoint(path, path.stat().st_size, hash_file(path), epoch=0, iteration=0, plan_hash=plan_hash)


def list_checkpoints(folder: Path, plan_hash: str) -> list[Checkpoint]:
    """Checkpoints of this plan whose manifest parses and whose file has its size, newest first. Hashes nothing."""
    found = (load_manifest(path) for path in folder.glob("e*.json"))
    ours = [one for one in found if one is not None and one.plan_hash == plan_hash and one.has_expected_size()]
    return sorted(ours, key=lambda one: (one.iteration, one.epoch), reverse=True)


def list_valid_checkpoints(folder: Path, plan_hash: str) -> list[Checkpoint]:
    """`listed`, with the SHA-256 of each file checked."""
    return [one for one in list_checkpoints(folder, plan_hash) if one.is_intact()]


def remove_checkpoint(checkpoint: Checkpoint) -> None:
    """Manifest first: a crash in between leaves a file that does not count, never a manifest without its file."""
    checkpoint.manifest.unlink(missing_ok=True)
    fsync_folder(checkpoint.path.parent)
    checkpoint.path.unlink(missing_ok=True)


def sweep_checkpoints(folder: Path) -> None:
    """Deletes what a crash left half done: temporary files, and files without a manifest. For the job's writer only."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)
    for path in folder.glob(f"*{FILE_SUFFIX}"):
        if not path.with_suffix(".json").exists():
            path.unlink(missing_ok=True)


def _non_negative_int(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value
