"""Waits for signals and descriptors together. sigtimedwait accepts no descriptors, and Python has no signalfd."""

import ctypes
import os
import select
import signal
from collections.abc import Iterable

# From <sys/signalfd.h>.
SFD_CLOEXEC = 0o2000000
# Larger than the sigset_t of any C library.
SIGSET_BYTES = 1024


class Signals:
    """Collects the signals `numbers`, which the caller has blocked."""

    def __init__(self, numbers: set[signal.Signals]) -> None:
        self._numbers = numbers
        self._descriptor = _signalfd(numbers)

    def wait(self, seconds: float, descriptors: Iterable[int]) -> signal.struct_siginfo | None:
        """Returns a signal as soon as it arrives; None after `seconds`, or once a descriptor is readable."""
        poll = select.poll()
        for descriptor in (self._descriptor, *descriptors):
            poll.register(descriptor, select.POLLIN)
        poll.poll(seconds * 1000)
        return signal.sigtimedwait(self._numbers, 0)


def _signalfd(numbers: set[signal.Signals]) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    chosen = ctypes.create_string_buffer(SIGSET_BYTES)
    libc.sigemptyset(chosen)
    for number in numbers:
        libc.sigaddset(chosen, int(number))
    descriptor = libc.signalfd(-1, chosen, SFD_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor
