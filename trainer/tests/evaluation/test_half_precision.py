from typing import Any

import pytest

from everswin_trainer.evaluation.half_precision import format_difference

POSITION = (3, 300)


def validation(epoch: int, box: float | None, mask: float | None) -> dict[str, Any]:
    return {
        **{"type": "validation", "epoch": epoch, "iteration": 100 * epoch},
        **{"bbox": {"AP": box}, "segm": {"AP": mask}},
    }


def scores_of(box: float | None, mask: float | None) -> dict[str, Any]:
    return {"bbox": {"AP": box}, "segm": {"AP": mask}}


@pytest.mark.parametrize("scores", [(0.508, 0.443), (0.50949, 0.44151), (None, 0.443), (0.508, None)])
def test_no_warning_when_half_precision_ap_differs_by_at_most_a_tenth_of_a_point(
    scores: tuple[float | None, float | None],
) -> None:
    events = [validation(2, 0.1, 0.1), validation(3, 0.508, 0.443), {"type": "step"}]
    assert format_difference(events, POSITION, scores_of(*scores)) is None


def test_warning_names_the_larger_difference_for_the_tested_checkpoint() -> None:
    events = [validation(3, 0.5, 0.4), validation(2, 0.1, 0.1), validation(3, 0.508, 0.443)]
    assert format_difference(events, POSITION, scores_of(0.5104, 0.4431)) == (
        "validation in half precision differs by more than 0.1 AP from the test: bbox AP 0.508 instead of 0.510. "
        "Turn halfPrecisionValidation off"
    )


def test_no_warning_when_the_checkpoint_was_never_validated() -> None:
    assert format_difference([validation(2, 0.1, 0.1)], POSITION, scores_of(0.5, 0.4)) is None
