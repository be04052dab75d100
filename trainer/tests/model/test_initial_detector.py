"""Fits the class layers of a detector to the classes of the data."""

import pytest
import torch
from torch import Tensor

from everswin_trainer.model.initial_detector import fit_to_classes, match_for_test

CLS, REG, MASK = (
    f"roi_head.{layer}.weight" for layer in ("bbox_head.0.fc_cls", "bbox_head.0.fc_reg", "mask_head.0.conv_logits")
)
SHARED = "backbone.x"


def detector(classes: int, agnostic: bool = False) -> dict[str, Tensor]:
    """Returns a detector whose class layers hold the number of their class; the background is -1."""
    numbers = torch.arange(classes, dtype=torch.float32)
    return {
        SHARED: torch.zeros(2),
        CLS: torch.cat([numbers, torch.tensor([-1.0])])[:, None],
        REG: torch.zeros(4, 1) if agnostic else numbers.repeat_interleave(4)[:, None],
        MASK: numbers[:, None],
    }


def numbers(state: dict[str, Tensor], key: str) -> list[float]:
    return state[key].flatten().tolist()


def test_equal_classes_load_everything_without_a_statement() -> None:
    weights = detector(3)
    assert fit_to_classes(weights, detector(3), ["cat", "dog", "cow"], ("cat", "Dog ", "cow")) == (weights, [])


def test_the_same_classes_in_another_order_are_matched_by_name() -> None:
    state, [statement] = fit_to_classes(detector(3), detector(3), ["cat", "dog", "cow"], ("cow", "cat", "dog"))
    assert numbers(state, CLS) == [2, 0, 1, -1]
    assert numbers(state, REG) == [2] * 4 + [0] * 4 + [1] * 4
    assert numbers(state, MASK) == [2, 0, 1]
    assert "in another order (cat, dog, cow): their layers are reordered by name (cow, cat, dog)" in statement


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_class_agnostic_regression_is_never_reordered(count: int) -> None:
    names = [f"class {number}" for number in range(count)]
    weights = detector(count, agnostic=True)
    weights[REG] = torch.arange(4.0)[:, None]
    state, _ = fit_to_classes(weights, dict(weights), names, names[::-1])
    assert numbers(state, REG) == [0, 1, 2, 3]


def test_equally_many_other_classes_start_at_random() -> None:
    state, [statement] = fit_to_classes(detector(2), detector(2), ["cat", "dog"], ("cat", "car"))
    assert sorted(state) == [SHARED]
    assert "for other classes (cat, dog) than the data (cat, car): these layers start at random: roi_head" in statement


def test_a_regression_without_classes_is_kept_for_other_classes() -> None:
    state, _ = fit_to_classes(detector(2, agnostic=True), detector(2, agnostic=True), ["cat", "dog"], ("car", "bus"))
    assert sorted(state) == [SHARED, REG]


@pytest.mark.parametrize("names", [None, [], ["cat"]])
def test_weights_that_do_not_name_their_classes_are_loaded_in_order_with_a_statement(names: list[str] | None) -> None:
    weights = detector(2)
    state, [statement] = fit_to_classes(weights, detector(2), names, ("cat", "dog"))
    assert state == weights
    assert "do not name their classes" in statement and "in this order: cat, dog" in statement


def test_names_that_occur_twice_are_not_matched() -> None:
    state, [statement] = fit_to_classes(detector(3), detector(3), ["a", "a", "b"], ("b", "a", "a"))
    assert sorted(state) == [SHARED]
    assert "other classes" in statement


def test_a_statement_lists_ten_classes_and_no_control_characters() -> None:
    _, [statement] = fit_to_classes(
        detector(12), detector(12), None, tuple("\x1b[2J" if n == 0 else f"c{n}" for n in range(12))
    )
    assert "?[2J, c1" in statement and statement.endswith("c9 and 2 more")


def test_a_test_matches_the_order_and_states_other_classes() -> None:
    state, _ = match_for_test(detector(2), detector(2), ["cat", "dog"], ("dog", "cat"))
    assert numbers(state, CLS) == [1, 0, -1]
    state, [statement] = match_for_test(detector(2), detector(2), ["cat", "dog"], ("car", "bus"))
    assert numbers(state, CLS) == [0, 1, -1]
    assert "other classes (cat, dog) than the data (car, bus)" in statement
