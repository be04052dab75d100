"""Which checkpoints may go: old ones, and only once a newer one has been read back and found whole."""

from pathlib import Path

from everswin_trainer.checkpoints.checkpoint import Checkpoint, list_checkpoints, remove_checkpoint

Position = tuple[int, int]


def apply_retention(
    folder: Path, newest: Checkpoint, keep_last: int, milestones: frozenset[Position], box_ap: dict[Position, float]
) -> list[Checkpoint]:
    """Keeps `newest`, the last `keep_last` (at least 2), the best by validation box AP and `milestones`.

    Positions are (epochs done, iterations done). Returns what it removed: nothing if `newest` does not read back whole.
    """
    assert keep_last >= 2, "with fewer, one damaged file could be the only one"
    candidates = list_checkpoints(folder, newest.plan_hash)
    kept = {newest.path, *(one.path for one in candidates[:keep_last])}
    kept |= {one.path for one in candidates if one.position in milestones}
    scored = [one for one in candidates if one.position in box_ap]
    if scored:
        # Newest first: of equals the one with more training stays.
        kept.add(max(scored, key=lambda one: box_ap[one.position]).path)
    removable = [one for one in candidates if one.path not in kept]
    if not removable or not newest.is_intact():
        return []
    for one in removable:
        remove_checkpoint(one)
    return removable


def epoch_end_positions(epochs: frozenset[int], iterations_per_epoch: int) -> frozenset[Position]:
    """Where those epochs end. A checkpoint from the middle of the next epoch has as many whole epochs behind it."""
    return frozenset((epoch, epoch * iterations_per_epoch) for epoch in epochs)
