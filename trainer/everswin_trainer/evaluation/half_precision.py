"""Compares a half-precision validation with the final test, which runs in full precision."""

from typing import Any

# 0.1 points of AP as tables print it, that is, in percent.
TOLERANCE = 0.001


def format_difference(events: list[dict[str, Any]], position: tuple[int, int], scores: dict[str, Any]) -> str | None:
    """Returns a warning if the checkpoint's validation and its test differ; None if they agree or if it had none.

    `events` are those of the training, `position` is the checkpoint's (epochs, iterations), `scores` are the test's.
    """
    validations = [
        event for event in events if event["type"] == "validation" and (event["epoch"], event["iteration"]) == position
    ]
    if not validations:
        return None
    pairs = [(kind, validations[-1][kind]["AP"], scores[kind]["AP"]) for kind in ("bbox", "segm")]
    # MMDetection rounds the scores of a validation to three digits.
    differences = [
        f"{kind} AP {half:.3f} instead of {full:.3f}"
        for kind, half, full in pairs
        if half is not None and full is not None and abs(half - round(full, 3)) > TOLERANCE + 1e-9
    ]
    if not differences:
        return None
    return (
        "validation in half precision differs by more than 0.1 AP from the test: "
        f"{', '.join(differences)}. Turn halfPrecisionValidation off"
    )
