"""Divides images into train and val by the hash of their names, so that new images do not move the others."""

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

# Roboflow names the augmented copies of one photo `photo_jpg.rf.HASH.jpg`; all of them belong to one split.
ROBOFLOW_COPY = re.compile(r"\.rf\.[0-9a-zA-Z]{16,}(?=\.|$)")


def group_key(rule: str) -> Callable[[str], str]:
    """Returns the function that names the group of a file. Raises ValueError for a rule that is no pattern.

    `none` puts each image in its own group, `folder` groups by folder, `prefix` by the name without its last number or
    word; any other rule is a regular expression, whose first group counts.
    """
    if rule == "none":
        return lambda name: ROBOFLOW_COPY.split(name)[0]
    if rule == "folder":
        return lambda name: name.rpartition("/")[0]
    if rule == "prefix":
        return lambda name: _prefix(name)
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise ValueError(f"expected folder, prefix or a regular expression, got {rule!r}: {error}") from error

    def by_pattern(name: str) -> str:
        found = pattern.search(name)
        return (found.group(1) if pattern.groups else found.group(0)) if found else name

    return by_pattern


def _prefix(name: str) -> str:
    stem = PurePosixPath(ROBOFLOW_COPY.split(name)[0]).stem
    return re.sub(r"[-_ .]*\d+$|[-_ .]+[^-_ .]+$", "", stem) or stem


def split_groups(groups: Sequence[str], classes: dict[str, set[int]], share: float, seed: int) -> set[str]:
    """Returns the groups of val. Every class stays in train, and neither split is empty if there are two groups.

    `classes` holds the classes of each group's objects.
    """
    place = {group: _fraction(group, seed) for group in groups}
    ordered = sorted(place, key=lambda group: (place[group], group))
    val = {group for group in ordered if place[group] < share}
    if not val and len(ordered) > 1:
        val = {ordered[0]}
    # From the highest hash down, so that a group moves to train only if a class needs it.
    in_train = {key for group in ordered if group not in val for key in classes.get(group, ())}
    for group in reversed(ordered):
        if group in val and (classes.get(group, set()) - in_train or len(val) == len(ordered)):
            val.discard(group)
            in_train |= classes.get(group, set())
    if not val and len(ordered) > 1:
        # Every class would leave train; the group whose classes all occur elsewhere as well is the only choice.
        for group in ordered:
            others = {key for one in ordered if one != group for key in classes.get(one, ())}
            if classes.get(group, set()) <= others:
                return {group}
    return val


def _fraction(group: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
