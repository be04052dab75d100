"""Writes the folder of a fake detector: its weights and its card."""

import argparse
import json
from pathlib import Path

from everswin_trainer.system.atomic_file import write_atomic, write_json
from everswin_trainer.system.hashing import hash_file


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="fake_trainer export-detector")
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    spec = json.loads(arguments.spec.read_bytes())
    arguments.into.mkdir(parents=True, exist_ok=True)
    contents = {"model.pth": Path(spec["weights"]).read_bytes(), "MODEL_CARD.md": spec["card"].encode()}
    for name, content in contents.items():
        with write_atomic(arguments.into / name) as stream:
            stream.write(content)
    files = [
        {"file": path.name, "sha256": hash_file(path), "bytes": path.stat().st_size}
        for path in map(arguments.into.joinpath, contents)
    ]
    write_json(arguments.out, {"v": 1, "categoryIds": list(range(1, len(spec["classes"]) + 1)), "files": files})
    return 0
