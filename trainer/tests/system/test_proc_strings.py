import os
import subprocess
import sys

from conftest import environment
from everswin_trainer.system.proc_strings import RESERVED_ENV
from everswin_trainer.system.process_tree import read_command_line, read_environment

# Shows other strings, also in a fork, and waits.
PROGRAM = """
import ctypes, os, sys
from everswin_trainer.system.proc_strings import ProcStrings
strings = ProcStrings.find()
strings.show(["python", "parent"], {"A": "1"})
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.close(write)
    strings.show(["python", "a longer child"], {"A": "2", "B": "3"})
    print(os.getpid(), flush=True)
    os.read(read, 1)
    os._exit(0)
sys.stdin.read()
os.close(write)
os.waitpid(child, 0)
try:
    strings.show(["x" * 100_000], {})
except ValueError as error:
    print(error)
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
print(libc.getenv(b"AFTER"), libc.getenv(b"EVERSWIN_RESERVED"), os.environ["PATH"] == sys.argv[2])
"""


def test_proc_strings_differ_between_forks() -> None:
    command = [sys.executable, "-c", PROGRAM, "-" * 4096, os.environ["PATH"]]
    variables = {**environment(), RESERVED_ENV: "-" * 1024, "AFTER": "kept"}
    process = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    child = int(process.stdout.readline())
    assert [text for text in read_command_line(child) if text] == ["python", "a longer child"]
    assert [text for text in read_command_line(process.pid) if text] == ["python", "parent"]
    shown = read_environment(child)
    assert (shown["A"], shown["B"], shown["AFTER"], RESERVED_ENV in shown) == ("2", "3", "kept", False)
    assert "B" not in read_environment(process.pid)
    rest = process.communicate()[0].splitlines()
    assert rest[0].startswith("expected at most ")
    assert rest[1] == "b'kept' None True"


def test_proc_strings_require_reserved_memory() -> None:
    program = "from everswin_trainer.system.proc_strings import ProcStrings; ProcStrings.find()"
    process = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, text=True)
    assert f"expected the variable {RESERVED_ENV}" in process.stderr
