"""Fake trainer for tests: deterministic, finished in seconds, with the files and exit codes of the real one."""
