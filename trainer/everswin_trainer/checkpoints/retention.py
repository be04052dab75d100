"""Deletes old checkpoints, but only once a newer one has been read back and verified."""

from pathlib import Path

from everswin_trainer.checkpoints.checkpoint import Checkpoint, list_checkpoints, remove_checkpoint

Position = tuple[int, int]


def apply_retention(
    folder: Path, newest: Checkpoint, keep_last: int, milestones: frozenset[Position], box_ap: dict[Position, float]
) -> list[Checkpoint]:
    """Keeps `newest`, the last `keep_last` (at least 2), the best by validation box AP and `milestones`.

    Positions are (epochs done, iterations done). Returns the deleted checkpoints: none if `newest` is damaged.
    """
    assert keep_last >= 2, "with fewer, the only checkpoint could be a damaged one"
    candidates = list_checkpoints(folder, newest.plan_hash)
    kept = {newest.path, *(checkpoint.path for checkpoint in candidates[:keep_last])}
    kept |= {checkpoint.path for checkpoint in candidates if checkpoint.position in milestones}
    scored = [checkpoint for checkpoint in candidates if checkpoint.position in box_ap]
    if scored:
        # Candidates are sorted newest first, so a tie keeps the newer one.
        kept.add(max(scored, key=lambda checkpoint: box_ap[checkpoint.position]).path)
    removable = [checkpoint for checkpoint in candidates if checkpoint.path not in kept]
    if not removable or not newest.is_intact():
        return []
    for checkpoint in removable:
        remove_checkpoint(checkpoint)
    return removable


def epoch_end_positions(epochs: frozenset[int], iterations_per_epoch: int) -> frozenset[Position]:
    """Returns the end positions of epochs. A checkpoint in the middle of the next epoch has the same epoch count."""
    return frozenset((epoch, epoch * iterations_per_epoch) for epoch in epochs)
