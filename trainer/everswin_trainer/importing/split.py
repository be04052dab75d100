"""Divides images into train and val by the hash of their names.

From SMALL groups on, each hash decides alone, so that new images do not move the others. With fewer, the share would be
a matter of luck, so the images are counted.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

# Roboflow names the augmented copies of one photo `photo_jpg.rf.HASH.jpg`; all of them belong to one split.
ROBOFLOW_COPY = re.compile(r"\.rf\.[0-9a-zA-Z]{16,}(?=\.|$)")

# Groups; with as many images, the share of a split by hash alone is off by 0.03 (standard deviation).
SMALL = 200


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


def split_groups(sizes: Mapping[str, int], classes: Mapping[str, set[Any]], share: float, seed: int) -> set[str]:
    """Returns the groups of val. Every class stays in train; the result is empty if that leaves no group for val.

    `sizes` holds the number of images of each group, `classes` the classes of its objects.
    """
    place = {group: _fraction(group, seed) for group in sizes}
    ordered = sorted(place, key=lambda group: (place[group], group))
    if len(ordered) < SMALL:
        return _choose_counted(ordered, sizes, classes, share)
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


def _choose_counted(
    ordered: list[str], sizes: Mapping[str, int], classes: Mapping[str, set[Any]], share: float
) -> set[str]:
    """Returns groups with the wanted number of images: first one for each class, the rarest first, then in order."""
    total = sum(sizes.values())
    wanted = max(1, int(share * total + 0.5))
    in_train = Counter(key for group in ordered for key in classes.get(group, ()))
    val: set[str] = set()
    count = 0

    def take(group: str, any_size: bool = False) -> bool:
        nonlocal count
        after = count + sizes[group]
        if group in val or after == total or (abs(after - wanted) >= abs(count - wanted) and not any_size):
            return False
        if any(in_train[key] == 1 for key in classes.get(group, ())):
            return False
        val.add(group)
        in_train.subtract(classes.get(group, ()))
        count = after
        return True

    for key in sorted(in_train, key=lambda one: (in_train[one], str(one))):
        if not any(key in classes.get(group, ()) for group in val):
            any(take(group) for group in ordered if key in classes.get(group, ()))
    for group in ordered:
        take(group)
    if not val:
        any(take(group, any_size=True) for group in sorted(ordered, key=lambda one: sizes[one]))
    return val


def _fraction(group: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
