"""Writes and reads checkpoints atomically: first the file, then its manifest.

A file without a manifest is not a checkpoint. This module does not import torch; the caller passes a `write` function
for the content.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from everswin_trainer.job.folder import Attempt
from everswin_trainer.system.atomic_file import TEMPORARY_SUFFIX, fsync_folder, read_json, write_atomic, write_json
from everswin_trainer.system.hashing import HashingStream, hash_file
from everswin_trainer.system.json_fields import has_fields, is_integer, is_text

FILE_SUFFIX = ".pth"

_MANIFEST_FIELDS = {
    **{"file": is_text, "bytes": is_integer, "sha256": is_text},
    **{"epoch": is_integer, "iteration": is_integer, "planHash": is_text},
}


@dataclass(frozen=True)
class Checkpoint:
    """The content of a manifest. `epoch` counts completed epochs, `iteration` completed steps of the run."""

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
        """Reads the file and returns whether its size and SHA-256 match the manifest."""
        return self.has_expected_size() and hash_file(self.path) == self.sha256

    def require_intact(self) -> "Checkpoint":
        """Returns this checkpoint. Raises ValueError if the file is not the one that its manifest describes."""
        if not self.is_intact():
            raise ValueError(f"{self.path} is damaged: its bytes are not those of its manifest")
        return self

    def has_expected_size(self) -> bool:
        try:
            return self.path.stat().st_size == self.bytes
        except OSError:
            return False


@dataclass(frozen=True)
class Origin:
    """Origin of a checkpoint, recorded in its manifest. `torch` is the version of torch, None without torch."""

    plan_hash: str
    attempt: Attempt
    torch: str | None


def save_checkpoint(
    folder: Path, epoch: int, iteration: int, origin: Origin, write: Callable[[BinaryIO], None]
) -> Checkpoint:
    """Writes one checkpoint through `write(stream)` and then its manifest; returns it.

    Keeps an intact checkpoint of the plan at the same position: it has the same state, and a crash while it is replaced
    would lose it. Replaces a damaged one; its manifest is deleted first, so that no manifest ever describes other
    bytes. Raises OSError (disk full, …); then the checkpoint does not exist and all others are untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"e{epoch:03d}-i{iteration:06d}{FILE_SUFFIX}"
    existing = load_manifest(path.with_suffix(".json"))
    if existing is not None and existing.plan_hash == origin.plan_hash and existing.is_intact():
        return existing
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
    """Returns the checkpoint of a manifest; None if it does not parse or names a file other than its own."""
    content = read_json(path)
    if not has_fields(content, _MANIFEST_FIELDS) or content["file"] != path.with_suffix(FILE_SUFFIX).name:
        return None
    return Checkpoint(
        path.with_suffix(FILE_SUFFIX),
        content["bytes"],
        content["sha256"],
        content["epoch"],
        content["iteration"],
        content["planHash"],
    )


def load_checkpoint(path: Path, plan_hash: str) -> Checkpoint:
    """Returns the intact checkpoint at `path`. Raises ValueError with the defect."""
    return find_checkpoint(path, plan_hash).require_intact()


def find_checkpoint(path: Path, plan_hash: str) -> Checkpoint:
    """Returns the checkpoint at `path`, which may be damaged. Raises ValueError unless it belongs to the plan."""
    checkpoint = load_manifest(path.with_suffix(".json"))
    if checkpoint is None:
        raise ValueError(f"{path} has no readable manifest: it does not exist as a checkpoint")
    if checkpoint.plan_hash != plan_hash:
        raise ValueError(f"expected {path} to belong to plan {plan_hash}, got one of plan {checkpoint.plan_hash}")
    return checkpoint


def checkpoint_from_weights(path: Path, plan_hash: str) -> Checkpoint:
    """Returns foreign weights as a checkpoint at epoch 0. Raises OSError."""
    return Checkpoint(path, path.stat().st_size, hash_file(path), epoch=0, iteration=0, plan_hash=plan_hash)


def list_checkpoints(folder: Path, plan_hash: str) -> list[Checkpoint]:
    """Returns checkpoints of this plan with a readable manifest and the expected size, newest first. Hashes nothing."""
    checkpoints = (load_manifest(path) for path in folder.glob("e*.json"))
    ours = [
        checkpoint
        for checkpoint in checkpoints
        if checkpoint is not None and checkpoint.plan_hash == plan_hash and checkpoint.has_expected_size()
    ]
    return sorted(ours, key=lambda checkpoint: (checkpoint.iteration, checkpoint.epoch), reverse=True)


def remove_checkpoint(checkpoint: Checkpoint) -> None:
    """Deletes the manifest first, so that a crash in between never leaves a manifest without its file."""
    checkpoint.manifest.unlink(missing_ok=True)
    fsync_folder(checkpoint.path.parent)
    checkpoint.path.unlink(missing_ok=True)


def sweep_checkpoints(folder: Path) -> None:
    """Deletes temporary files and files without a manifest, which a crash left. Only the job's writer may call it."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)
    for path in folder.glob(f"*{FILE_SUFFIX}"):
        if not path.with_suffix(".json").exists():
            path.unlink(missing_ok=True)
