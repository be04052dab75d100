"""Lists leases and queue of this machine: `python -m everswin_trainer gpu-leases --gpu-folder DIR --out FILE`."""

import argparse
from pathlib import Path

from everswin_trainer.gpu.lease import find_holders
from everswin_trainer.gpu.lease_folder import LeaseFolderUnusable, prepare_lease_folder
from everswin_trainer.gpu.queue import guard, request_state, waiting_requests
from everswin_trainer.system.atomic_file import write_json


def main(argv: list[str]) -> int:
    """Writes {v, holders, waiting}. Returns 1 if this user cannot use the folder, so a worker can check it at start."""
    parser = argparse.ArgumentParser(prog="everswin_trainer gpu-leases")
    parser.add_argument("--gpu-folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    try:
        prepare_lease_folder(arguments.gpu_folder)
    except LeaseFolderUnusable as error:
        print(error)
        return 1
    with guard(arguments.gpu_folder):
        holders = [holder.state() for holder in find_holders(arguments.gpu_folder)]
        waiting = [request_state(request) for request in waiting_requests(arguments.gpu_folder)]
    write_json(arguments.out, {"v": 1, "holders": holders, "waiting": waiting})
    return 0
