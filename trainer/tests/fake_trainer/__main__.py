"""Entry point `python -m fake_trainer COMMAND …`, which replaces `python -m everswin_trainer …` in tests."""

import sys

from everswin_trainer.gpu.lease import hold_leases
from everswin_trainer.system.process_tree import end_with_worker
from fake_trainer import export_detector, test, train

COMMANDS = {"train": train.main, "test": test.main, "export-detector": export_detector.main}


def main(argv: list[str]) -> int:
    """Runs one command; returns 2 and prints an error for an unknown one."""
    if not argv or argv[0] not in COMMANDS:
        print(f"expected the command to be one of {', '.join(COMMANDS)}, got {argv[:1]}", file=sys.stderr)
        return 2
    hold_leases()
    end_with_worker()
    return COMMANDS[argv[0]](argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
