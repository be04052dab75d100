"""Environment of a rank that libraries read when they are imported."""

import os


def prepare_process(device: str) -> None:
    """Call before MMEngine and MMDetection are imported."""
    # MMEngine loads a file again without protection when the protected loading refuses it.
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    if device == "cpu":
        # MMEngine takes a GPU whenever it sees one.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
