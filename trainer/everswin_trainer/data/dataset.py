"""Data set of a run: `--data DIR`, a folder that `prepare-dataset` wrote."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.data.image_index import ImageIndex
from everswin_trainer.system.atomic_file import read_json
from everswin_trainer.system.hashing import hash_file

MANIFEST = "dataset.json"


@dataclass(frozen=True)
class PreparedData:
    """A prepared data set. `root` is absolute; `manifest` is the content of its dataset.json."""

    root: Path
    manifest: dict[str, Any]

    @classmethod
    def at(cls, root: Path) -> "PreparedData":
        """Loads the manifest. Raises ValueError if `prepare-dataset` did not write the folder."""
        manifest = read_json(root / MANIFEST)
        if manifest is None or manifest.get("v") != 1:
            raise ValueError(f"expected {root / MANIFEST} to describe a data set: run prepare-dataset to write it")
        return cls(root.resolve(), manifest)

    def classes(self) -> tuple[str, ...]:
        """Returns category names in file order: MMDetection numbers its labels in that order."""
        return tuple(self.manifest["classes"])

    def annotations(self, split: str) -> Path:
        return self.root / self.manifest["splits"][split]["annotations"]

    def samples(self, split: str) -> Path | None:
        """Returns the file of the split's samples; None in a folder that an earlier version prepared."""
        name = self.manifest["splits"][split].get("samples")
        return self.root / name if name else None

    def image_prefix(self, split: str) -> str:
        """Returns the prefix of each annotation's file_name: a folder of files, or a path inside the archive."""
        one = self.manifest["splits"][split]
        if one["archive"] is None:
            return f"{self.root}/images/{split}/"
        return f"{one['folder']}/" if one["folder"] else ""

    def image_backend(self, split: str) -> dict[str, str] | None:
        """Returns MMEngine's `backend_args`, or None if the images are files."""
        one = self.manifest["splits"][split]
        if one["archive"] is None:
            return None
        return {"backend": "zip", "archive": one["archive"], "index": str(self.root / one["index"])}


def image_file(root: Path, split: str, folder: str, entry_name: str) -> Path:
    """Returns the path of an extracted archive entry."""
    return root / "images" / split / entry_name.removeprefix(f"{folder}/" if folder else "")


def find_prepared(root: Path, content_key: str) -> dict[str, Any] | None:
    """Returns the manifest of a folder with this content after verifying its files; None if anything differs."""
    manifest = read_json(root / MANIFEST)
    if manifest is None or manifest.get("v") != 1 or manifest.get("contentKey") != content_key:
        return None
    try:
        if any(file_digest(root / name) != expected for name, expected in manifest["files"].items()):
            return None
        for name, split in manifest["splits"].items():
            if split["archive"] is None and not _has_images(root, name, split):
                return None
        needed = {split["archive"] for split in manifest["splits"].values()}
        sizes = {one["path"]: one["bytes"] for one in manifest["archives"].values() if one["path"] in needed}
        if any(os.stat(path).st_size != size for path, size in sizes.items()):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # A file that is missing, or a manifest that a bad disk or a person changed.
        return None
    return manifest


def _has_images(root: Path, name: str, split: dict[str, Any]) -> bool:
    index = ImageIndex(root / split["index"])
    return all(
        image_file(root, name, split["folder"], one).stat().st_size == location.size for one, location in index.all()
    )


def file_digest(path: Path) -> dict[str, Any]:
    """Returns {bytes, sha256} of a file. Raises OSError."""
    return {"bytes": path.stat().st_size, "sha256": hash_file(path)}
