"""What a rank sets up before the heavy libraries are imported."""

import faulthandler
import os
import signal


def prepare_process(device: str) -> None:
    """Call before MMEngine and MMDetection are imported: they read the environment then."""
    # Whoever finds that training hangs sends SIGUSR1 and reads in its log where every thread stands.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    # MMEngine loads a file again without protection when the protected loading refuses it.
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    if device == "cpu":
        # MMEngine takes a GPU whenever it sees one.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
