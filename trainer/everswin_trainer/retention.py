"""Which checkpoints may go: old ones, and only once a newer one has been read back and found whole."""

from pathlib import Path

from .checkpoint import Checkpoint, listed, remove


def retain(folder: Path, newest: Checkpoint, keep_last: int, box_ap: dict[tuple[int, int], float]) -> list[Checkpoint]:
    """Keeps `newest`, the last `keep_last` (at least 2) and the best by validation box AP; returns what it removed.

    `box_ap` maps (epoch, iteration) to AP. Removes nothing if `newest` does not read back whole.
    """
    assert keep_last >= 2, "with fewer, one damaged file could be the only one"
    candidates = listed(folder, newest.plan_hash)
    kept = {newest.path, *(one.path for one in candidates[:keep_last])}
    scored = [one for one in candidates if one.position in box_ap]
    if scored:
        # Newest first: of equals the one with more training stays.
        kept.add(max(scored, key=lambda one: box_ap[one.position]).path)
    removable = [one for one in candidates if one.path not in kept]
    if not removable or not newest.is_intact():
        return []
    for one in removable:
        remove(one)
    return removable
