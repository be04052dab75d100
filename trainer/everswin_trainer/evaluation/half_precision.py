"""Compares a half-precision validation with the final test, which runs in full precision."""

from typing import Any

# 0.1 AP, as tables print it.
BOUND = 0.001


def describe_disagreement(
    events: list[dict[str, Any]], position: tuple[int, int], scores: dict[str, Any]
) -> str | None:
    """What the validation of the tested checkpoint said otherwise; None where both agree or there was none.

    `events` are the training's, `position` is the checkpoint's (epochs, iterations), `scores` are the test's.
    """
    validations = [
        one for one in events if one["type"] == "validation" and (one["epoch"], one["iteration"]) == position
    ]
    if not validations:
        return None
    pairs = [(kind, validations[-1][kind]["AP"], scores[kind]["AP"]) for kind in ("bbox", "segm")]
    # MMDetection rounds a validation's scores to three digits.
    apart = [
        f"{kind} AP {half:.3f} instead of {full:.3f}"
        for kind, half, full in pairs
        if half is not None and full is not None and abs(half - round(full, 3)) > BOUND + 1e-9
    ]
    if not apart:
        return None
    return (
        f"validation in half precision is more than 0.1 AP off: {', '.join(apart)}. Leave halfPrecisionValidation off"
    )
