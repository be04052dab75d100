"""Returns freed memory to the kernel."""

import ctypes
from contextlib import suppress


def trim_heap() -> None:
    """Returns all free pages of the heap, as glibc does only above the last block in use. Other libraries lack this."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
