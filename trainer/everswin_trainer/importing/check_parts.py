"""Checks the parts of an import as a run does: prepares them in a temporary folder."""

import json
import tempfile
from pathlib import Path
from typing import Any

from everswin_trainer.data.check_annotations import check_file
from everswin_trainer.data.dataset_spec import DatasetSpec
from everswin_trainer.data.pack_folder import pack
from everswin_trainer.data.prepare_dataset import prepare
from everswin_trainer.importing.part import Part

# A folder is packed for the check of its images, as a run does. A larger one is checked when the run starts.
MAX_PACKED_BYTES = 2 << 30


def check_parts(parts: dict[str, Part], documents: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Returns `ok`, `problems` and `warnings`. `documents` holds NAME.json of each part; `options` adds to the spec.

    If the options allow leaving out images, `kept` holds the ids of the others, by part.
    """
    with tempfile.TemporaryDirectory(prefix=".check-", dir=documents) as folder:
        work = _Check(Path(folder))
        for name, part in parts.items():
            path, inside = part.source.place(part.match.root)
            if path.is_dir() and sum(one.stat().st_size for one in path.rglob("*")) > MAX_PACKED_BYTES:
                return _check_documents(parts, documents, options.get("masks") == "from-boxes")
            archive = work.add(path)
            annotations = work.add(documents / f"{name}.json")
            images = f"{archive}/{inside}" if inside else archive
            work.splits[name] = {"images": images.rstrip("/"), "annotations": annotations, "counts": None}
        return {"ok": False, "problems": work.problems, "warnings": []} if work.problems else work.prepare(options)


class _Check:
    def __init__(self, folder: Path) -> None:
        self.splits: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []
        self._folder = folder
        self._names: dict[Path, str] = {}
        self._archives: dict[str, dict[str, Any]] = {}

    def add(self, path: Path) -> str:
        """Returns the name of a file or packed folder in the spec."""
        if path in self._names:
            return self._names[path]
        name = path.name
        while name in self._archives:
            name = f"{name}-{len(self._archives)}"
        packed = path
        if path.is_dir():
            packed = self._folder / f"{len(self._archives)}.zip"
            answer = pack(path, packed)
            self.problems += answer["problems"]
        size = packed.stat().st_size if packed.exists() else 0
        self._archives[name] = {"path": str(packed), "sha256": "0" * 64, "bytes": size, "files": None}
        self._names[path] = name
        return name

    def prepare(self, options: dict[str, Any]) -> dict[str, Any]:
        spec = {
            "v": 1,
            "contentKey": "0" * 64,
            "archives": self._archives,
            "splits": self.splits,
            "classes": None,
            "extract": False,
            **options,
        }
        path = self._folder / "spec.json"
        path.write_text(json.dumps(spec))
        prepared = self._folder / "prepared"
        answer = prepare(DatasetSpec.load(path), prepared)
        if answer["ok"] and options.get("skipBadImages"):
            documents = {name: json.loads((prepared / f"{name}.json").read_bytes()) for name in self.splits}
            answer["kept"] = {name: {one["id"] for one in documents[name]["images"]} for name in documents}
        return answer


def _check_documents(parts: dict[str, Part], documents: Path, masks_from_boxes: bool) -> dict[str, Any]:
    """Checks only the annotations."""
    checked = [check_file(documents / f"{name}.json", name, masks_from_boxes) for name in parts]
    problems = [line for one in checked for line in one.problems]
    warnings = [line for one in checked for line in one.warnings]
    later = f"images: the folder is larger than {MAX_PACKED_BYTES >> 30} GiB, so they are checked when the run starts"
    return {"ok": not problems, "problems": problems, "warnings": [*warnings, later]}
