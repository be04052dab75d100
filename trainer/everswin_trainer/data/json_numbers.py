"""Numbers of JSON files, also in another form, such as 7.0 or "7" for the id 7."""

import math
import re
from typing import Any

# NumPy and torch store ids as int64.
INT64_LIMIT = 1 << 63
# A larger float has lost digits, so it may be another number than the one that was written.
EXACT_FLOAT = 1 << 53
WHOLE = re.compile(r"\s*([+-]?[0-9]{1,19})(\.0*)?\s*", re.ASCII)
DECIMAL = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*", re.ASCII)


def whole_number(value: Any) -> int | None:
    """Returns the integer that a JSON value plainly means, or None."""
    number = None
    # True is an int to Python, not to COCO.
    if type(value) is int:
        number = value
    elif type(value) is float and value.is_integer() and abs(value) <= EXACT_FLOAT:
        number = int(value)
    elif type(value) is str and (match := WHOLE.fullmatch(value)):
        number = int(match[1])
    return number if number is not None and -INT64_LIMIT <= number < INT64_LIMIT else None


def real_number(value: Any) -> float | int | None:
    """Returns the finite number that a JSON value plainly means, or None."""
    if type(value) is str and DECIMAL.fullmatch(value):
        value = float(value)
    if type(value) not in (int, float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def format_value(value: Any) -> str:
    """Returns a JSON value as it is written in the file, shortened."""
    names = {None: "null", True: "true", False: "false"}
    text = names[value] if value is None or isinstance(value, bool) else repr(value)
    if isinstance(value, str):
        text = f'"{text[1:-1]}"'
    return text if len(text) <= 40 else f"{text[:40]}…"
