"""Xid errors: what the NVIDIA driver reports about a GPU that misbehaves."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from everswin_trainer.gpu.devices import nvml_text

# Errors after which the GPU does not work until it is reset (NVIDIA's Xid catalogue). A program may cause the others.
FATAL = {
    46: "the GPU stopped processing",
    48: "double-bit memory error",
    62: "halt of the internal micro-controller",
    64: "a memory page or row could not be retired",
    74: "NVLink error",
    79: "the GPU has fallen off the bus",
    95: "uncontained memory error",
    109: "context switch timeout",
    119: "the GPU's system processor does not answer",
    120: "error of the GPU's system processor",
    140: "unrecovered memory error",
}
OTHER = {
    13: "exception of a kernel",
    31: "memory access fault of a kernel",
    43: "a kernel was stopped",
    45: "a program was ended after an earlier error",
    63: "a memory page or row was retired",
    92: "many corrected memory errors",
    94: "contained memory error",
}
# A message of the kernel log that is older has been reported before, or describes an earlier state of the GPU.
KERNEL_LOG_SECONDS = 90.0
_XID = re.compile(r"NVRM: Xid \(PCI:(?P<bus>[0-9a-fA-F:.]+)\): (?P<code>\d+)")


@dataclass(frozen=True)
class Xid:
    """One error; `gpu` is the UUID or the PCI bus ID of the GPU."""

    gpu: str
    code: int

    @property
    def is_fatal(self) -> bool:
        return self.code in FATAL

    @property
    def message(self) -> str:
        return f"Xid {self.code}: {FATAL.get(self.code) or OTHER.get(self.code) or 'see the Xid catalogue of NVIDIA'}"

    @property
    def remedy(self) -> str:
        return "If it appears again on this GPU, test the GPU (nvidia-smi, dcgmi diag); otherwise check the program."


class XidWatch:
    """The errors that were seen during `wait`."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._seen: set[Xid] = set()

    def wait(self, uuids: list[str], seconds: float) -> "XidWatch":
        """Waits until one of these GPUs has an error, or the time is over; also reads the kernel log."""
        if seconds > 0 and (events := self._register(uuids)) is not None:
            # An error has further ones in its train, so the wait ends a moment after the first.
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                try:
                    event = self._nvml.nvmlEventSetWait_v2(events, int(left * 1000))
                except self._nvml.NVMLError:
                    break
                self._seen.add(Xid(nvml_text(self._nvml.nvmlDeviceGetUUID(event.device)), int(event.eventData)))
                deadline = min(deadline, time.monotonic() + 1.0)
        elif seconds > 0:
            time.sleep(seconds)
        self._seen.update(read_kernel_log())
        return self

    def of(self, uuid: str, bus: str | None) -> list[Xid]:
        """Returns the errors of one GPU, each code once."""
        own = [xid for xid in self._seen if xid.gpu == uuid or (bus and _same_bus(xid.gpu, bus))]
        return [Xid(uuid, code) for code in sorted({xid.code for xid in own})]

    def _register(self, uuids: list[str]) -> Any:
        """Returns an event set of these GPUs; None if none of them reports events."""
        nvml, registered = self._nvml, False
        try:
            events = nvml.nvmlEventSetCreate()
        except nvml.NVMLError:
            return None
        for uuid in uuids:
            with suppress(nvml.NVMLError):
                handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
                nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, events)
                registered = True
        return events if registered else None


def read_kernel_log(path: str = "/dev/kmsg") -> Iterator[Xid]:
    """Yields the errors of the last moments; nothing if this user may not read the log."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    since = time.clock_gettime(time.CLOCK_MONOTONIC) - KERNEL_LOG_SECONDS
    try:
        while True:
            try:
                record = os.read(descriptor, 8192)
            except BrokenPipeError:
                # The kernel has overwritten this record; the next one is read.
                continue
            except OSError:
                return
            if not record:
                return
            head, _, text = record.decode(errors="replace").partition(";")
            found = _XID.search(text)
            # <priority>,<sequence>,<microseconds since boot>,<flags>
            fields = head.split(",")
            if found and len(fields) > 2 and fields[2].isdigit() and int(fields[2]) / 1e6 >= since:
                yield Xid(found["bus"], int(found["code"]))
    finally:
        os.close(descriptor)


def _same_bus(one: str, other: str) -> bool:
    """Compares `0000:41:00` of the kernel with `00000000:41:00.0` of NVML."""
    return _bus_key(one) == _bus_key(other)


def _bus_key(bus: str) -> tuple[int, ...]:
    domain, _, rest = bus.partition(":")
    with suppress(ValueError):
        return (int(domain, 16), *(int(part, 16) for part in rest.split(".")[0].split(":")))
    return ()
