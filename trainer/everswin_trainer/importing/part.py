"""One part of a data set to import, such as `train`: a document in COCO format and the place of its images."""

import re
from dataclasses import dataclass, field
from typing import Any

from everswin_trainer.importing.match_images import Match
from everswin_trainer.importing.source import Source

ROLES = {
    "train": "train",
    "training": "train",
    "trainval": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


@dataclass
class Part:
    """A part as found. `role` is `train`, `val`, `test` or "" if its name tells nothing.

    `source` holds the images. `annotations` names the file of the document in `annotation_source`, or is None if the
    document was converted from another format. `notes` says what was changed or left out.
    """

    role: str
    label: str
    document: dict[str, Any]
    source: Source
    annotations: str | None
    annotation_source: Source | None = None
    match: Match = field(default_factory=Match)
    notes: list[str] = field(default_factory=list)
    changed: bool = False

    @property
    def classes(self) -> list[tuple[Any, str]]:
        return [(one.get("id"), str(one.get("name"))) for one in self.document["categories"]]

    def count(self) -> str:
        images, objects = len(self.document["images"]), len(self.document["annotations"])
        return f"{images} images, {objects} objects, {len(self.classes)} classes"


def find_role(name: str) -> str:
    """Returns the role that the words of a path tell, the last ones first."""
    for part in reversed(name.split("/")):
        for word in reversed(re.findall(r"[a-z]+", part.lower())):
            if word in ROLES:
                return ROLES[word]
    return ""
