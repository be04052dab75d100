"""Changes the command line and the environment that /proc shows for this process.

Both are the memory that exec filled, so a forked process shows those of its parent, whatever it does. Workers and
supervisors find the processes of a job by them. A process that will fork them is therefore started with a long last
argument and a long environment variable, whose bytes are overwritten, as `setproctitle` does it.
"""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

# The value of this variable has no meaning.
RESERVED_ENV = "EVERSWIN_RESERVED"


@dataclass(frozen=True)
class ProcStrings:
    """Addresses of the command line and of the reserved variable; equal in all forked processes."""

    arguments: range
    reserved: range

    @classmethod
    def find(cls) -> "ProcStrings":
        """Finds the memory of this process. Raises ValueError if no environment variable reserves some."""
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        # Fields 48 to 51 of stat; the first one here is field 3.
        arguments, environment = (range(int(fields[at]), int(fields[at + 1])) for at in (45, 47))
        block = b"\0" + ctypes.string_at(environment.start, len(environment))
        at = block.find(f"\0{RESERVED_ENV}=".encode())
        if at < 0:
            raise ValueError(f"expected the variable {RESERVED_ENV}")
        end = block.index(b"\0", at + 1)
        # Nothing may point to memory that is about to change.
        os.environ.pop(RESERVED_ENV)
        return cls(arguments, range(environment.start + at, environment.start + end - 1))

    def show(self, command: list[str], variables: dict[str, str]) -> None:
        """Shows this command line, and these variables in addition to those of exec. Raises ValueError if too long."""
        pairs = [f"{name}={value}" for name, value in variables.items()]
        blocks = [(self.arguments, _join(command)), (self.reserved, _join(pairs))]
        for memory, text in blocks:
            if len(text) > len(memory):
                raise ValueError(f"expected at most {len(memory)} bytes of arguments or environment, got {len(text)}")
        for memory, text in blocks:
            ctypes.memmove(memory.start, text.ljust(len(memory), b"\0"), len(memory))


def _join(texts: list[str]) -> bytes:
    return b"".join(os.fsencode(text) + b"\0" for text in texts)
