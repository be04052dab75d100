"""Checks fields of records that a crash, a bad disk or a person may have damaged: valid JSON of another shape."""

from collections.abc import Callable, Mapping
from typing import Any

# JSON stores integers above it inexactly.
MAX_NUMBER = 2**53

Check = Callable[[Any], bool]


def is_integer(value: Any, minimum: int = 0) -> bool:
    """Returns whether `value` is an integer of at least `minimum`."""
    return type(value) is int and minimum <= value <= MAX_NUMBER


def is_number(value: Any) -> bool:
    """Returns whether `value` is a finite number of at least 0."""
    return type(value) in (int, float) and 0 <= value <= MAX_NUMBER


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def has_fields(record: Any, checks: Mapping[str, Check]) -> bool:
    """Returns whether `record` is an object whose fields pass their checks; a missing field is None."""
    return isinstance(record, dict) and all(check(record.get(name)) for name, check in checks.items())
