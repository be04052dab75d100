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
        val = split_groups(groups, rare, 0.2, seed)
        assert 0.1 < len(val) / len(groups) < 0.3 and f"g{seed}" not in val
        few = split_groups(["a", "b"], {"a": {1}, "b": {1}}, 0.01, seed)
        assert len(few) == 1
    assert split_groups(["a"], {"a": {1}}, 0.5, 0) == set()
    assert split_groups(["a", "b"], {"a": {1}, "b": {2}}, 0.5, 0) == set()
