"""`python -m everswin_trainer COMMAND …` (docs/reference/trainer-contract.md). Imports only what the command needs."""

import importlib
import sys

from everswin_trainer.gpu.lease import hold_leases
from everswin_trainer.job.rank_logs import redirect_to_rank_log
from everswin_trainer.system.process_setup import imports_without_gc
from everswin_trainer.system.process_tree import end_with_worker

COMMANDS = {
    "supervise": "supervisor.supervise",
    "standby": "supervisor.standby",
    "train": "training.train",
    "test": "evaluation.test",
    "recipe": "model.recipe",
    "machine": "system.machine",
    "convert-weights": "model.convert_weights",
    "export-detector": "detector.export_detector",
    "predict": "detector.predict",
    "export-onnx": "detector.export_onnx",
    "prepare-dataset": "data.prepare_dataset",
    "show-batch": "training.show_batch",
    "gpu-check": "benchmark.gpu_check",
    "gpu-check-bundle": "benchmark.gpu_check_bundle",
    "gpu-check-rank": "benchmark.gpu_check_rank",
    "gpu-health": "gpu.health",
    "gpu-leases": "gpu.leases",
    "inspect-archives": "data.inspect_archives",
    "pack-folder": "data.pack_folder",
    "import-dataset": "importing.import_dataset",
    "mini-coco": "demo.mini_coco",
}
# Commands that torchrun starts once per rank.
RANKED = ("train", "test")


def main(argv: list[str]) -> int:
    """Runs one command and returns its exit code; 2 for an unknown command."""
    if not argv or argv[0] not in COMMANDS:
        print(f"expected the command to be one of {', '.join(COMMANDS)}, got {argv[:1]}", file=sys.stderr)
        return 2
    if argv[0] in RANKED:
        # Set before the imports below, which may take seconds and print warnings.
        redirect_to_rank_log()
        hold_leases()
    end_with_worker()
    with imports_without_gc():
        module = importlib.import_module(f".{COMMANDS[argv[0]]}", __package__)
    return module.main(argv[1:]) or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
