from collections import Counter

import pytest

from everswin_trainer.importing.split import group_key, split_groups


@pytest.mark.parametrize(
    ("rule", "name", "group"),
    [
        ("none", "a/b_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "a/b_jpg"),
        ("none", "a/b.jpg", "a/b.jpg"),
        ("folder", "day 1/cam/7.jpg", "day 1/cam"),
        ("prefix", "line2/cam1_0042.jpg", "cam1"),
        ("prefix", "scene-3-left.png", "scene-3"),
        ("prefix", "0042.jpg", "0042"),
        (r"patient(\d+)", "patient17/slice-3.png", "17"),
    ],
)
def test_group_key_names_the_group_of_a_file(rule: str, name: str, group: str) -> None:
    assert group_key(rule)(name) == group


def test_group_key_refuses_a_pattern_that_is_none() -> None:
    with pytest.raises(ValueError, match="folder, prefix or a regular expression"):
        group_key("(")


def test_split_groups_keeps_every_class_in_train_and_some_group_in_val() -> None:
    groups = [f"g{number}" for number in range(200)]
    common = {group: {1} for group in groups}
    for seed in range(20):
        rare = {**common, f"g{seed}": {1, 2}}
        val = split_groups(Counter(groups), rare, 0.2, seed)
        assert 0.1 < len(val) / len(groups) < 0.3 and f"g{seed}" not in val
        few = split_groups(Counter("ab"), {"a": {1}, "b": {1}}, 0.01, seed)
        assert len(few) == 1
    assert split_groups(Counter("a"), {"a": {1}}, 0.5, 0) == set()
    assert split_groups(Counter("ab"), {"a": {1}, "b": {2}}, 0.5, 0) == set()


@pytest.mark.parametrize("count", [4, 9, 10, 60, 199])
def test_split_groups_counts_the_images_of_a_small_set(count: int) -> None:
    images = [f"{number:03}.jpg" for number in range(count)]
    # One class in every image, one in two of them, one in a single image.
    classes = {name: {1} for name in images} | {images[0]: {1, 2}, images[-1]: {1, 2}, images[1]: {1, 3}}
    chosen = set()
    for seed in range(10):
        val = split_groups(Counter(images), classes, 0.2, seed)
        assert len(val) == max(1, round(count * 0.2))
        assert len(val & {images[0], images[-1]}) == 1 and images[1] not in val
        assert val == split_groups(Counter(reversed(images)), classes, 0.2, seed)
        chosen.add(frozenset(val))
    assert len(chosen) > 1


def test_split_groups_comes_close_to_the_share_with_groups_of_several_sizes() -> None:
    sizes = {"a": 90, "b": 12, "c": 6, "d": 3}
    for seed in range(10):
        val = split_groups(sizes, {name: {1} for name in sizes}, 0.2, seed)
        assert 15 <= sum(sizes[name] for name in val) <= 22
        assert split_groups({"a": 90, "b": 60}, {"a": {1}, "b": {1}}, 0.01, seed) == {"b"}
