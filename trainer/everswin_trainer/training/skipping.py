"""Skips the batches of an epoch that were trained on before a run was resumed."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Batch = TypeVar("Batch")


def after_first(batches: Iterable[Batch], done: int) -> Iterator[Batch]:
    """Returns the batches of an epoch without the first `done`."""
    return islice(batches, done, None)
