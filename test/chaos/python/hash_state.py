"""Print the SHA-256 of the state in a torch checkpoint: names, types, shapes and bits of weights and optimizer.

The file itself differs from run to run, because it contains timestamps.
"""

import hashlib
import sys

import torch

digest = hashlib.sha256()


def add(name: str, value: object) -> None:
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            add(f"{name}.{key}", value[key])
    elif isinstance(value, (list, tuple)):
        for number, one in enumerate(value):
            add(f"{name}.{number}", one)
    elif isinstance(value, torch.Tensor):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    else:
        digest.update(f"{name} {value!r}\n".encode())


content = torch.load(sys.argv[1], weights_only=True, map_location="cpu")
for part in ("state_dict", "optimizer", "param_schedulers"):
    add(part, content[part])
print(digest.hexdigest())
