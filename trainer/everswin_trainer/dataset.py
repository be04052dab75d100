"""The data set of a run: `--data DIR` in COCO's own layout, whatever its classes are."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CocoFolder:
    """A folder with train2017/, val2017/ and annotations/instances_{train,val}2017.json; `root` is absolute."""

    root: Path

    @classmethod
    def at(cls, root: Path) -> "CocoFolder":
        return cls(root.resolve())

    def images(self, split: str) -> Path:
        return self.root / f"{split}2017"

    def annotations(self, split: str) -> Path:
        return self.root / "annotations" / f"instances_{split}2017.json"

    def classes(self) -> tuple[str, ...]:
        """Category names of the validation split, in file order: MMDetection numbers its labels in that order.

        Raises ValueError if the file is not COCO's or names no category.
        """
        path = self.annotations("val")
        try:
            names = tuple(category["name"] for category in json.loads(path.read_bytes())["categories"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"expected {path} to be COCO annotations with categories, got: {error!r}") from error
        if not names or len(set(names)) < len(names):
            raise ValueError(f"expected {path} to name at least one category, each once, got {names}")
        return names
