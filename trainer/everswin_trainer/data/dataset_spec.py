"""Input of `prepare-dataset`: downloaded and hashed archives, and the location of the splits in them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SPLITS = ("train", "val")


@dataclass(frozen=True)
class ArchiveSpec:
    """An archive. `files` is the expected number of regular files, or None if unknown."""

    path: Path
    sha256: str
    bytes: int
    files: int | None


@dataclass(frozen=True)
class SplitSpec:
    """A split. `folder` holds the images in their archive ("": its top); `member` holds the annotations, if zipped."""

    archive: str
    folder: str
    annotations: str
    member: str | None
    counts: dict[str, int] | None


@dataclass(frozen=True)
class DatasetSpec:
    """A data set. `decode` is the number of images to decode; `auto` decodes all of a small data set.

    `masks_from_boxes` uses the box of an object without outline as its mask.
    `skip` limits the number of unusable images that are left out, or names images to leave out.
    """

    content_key: str
    archives: dict[str, ArchiveSpec]
    splits: dict[str, SplitSpec]
    classes: int | None
    extract: bool
    decode: int | Literal["all", "auto"]
    masks_from_boxes: bool
    skip: int | frozenset[str]

    @classmethod
    def load(cls, path: Path) -> "DatasetSpec":
        """Parses a file as docs/reference/trainer-contract.md specifies it. Raises ValueError."""
        raw = json.loads(path.read_bytes())
        try:
            archives = {
                name: ArchiveSpec(Path(one["path"]).resolve(), one["sha256"], one["bytes"], one["files"])
                for name, one in raw["archives"].items()
            }
            splits = {name: _split(raw["splits"][name], archives) for name in SPLITS}
            decode = raw.get("decode", "auto")
            skip = raw.get("skipBadImages", 0)
            return cls(
                content_key=raw["contentKey"],
                archives=archives,
                splits=splits,
                classes=raw["classes"],
                extract=raw["extract"],
                decode=decode if decode in ("all", "auto") else int(decode),
                masks_from_boxes=raw.get("masks") == "from-boxes",
                skip=skip if isinstance(skip, int) else frozenset(skip),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"expected {path} to be the description of a data set, got: {error!r}") from error

    def plain_files(self) -> set[str]:
        """Returns the names of `archives` that are annotation files rather than archives."""
        plain = {split.annotations for split in self.splits.values() if split.member is None}
        return plain - {split.archive for split in self.splits.values()}


def _split(raw: dict[str, Any], archives: dict[str, ArchiveSpec]) -> SplitSpec:
    split = read_split(raw)
    for name in (split.archive, split.annotations):
        if name not in archives:
            raise ValueError(f"expected {name} to be one of the archives {sorted(archives)}")
    return split


def read_split(raw: dict[str, Any]) -> SplitSpec:
    """Parses a split. Raises KeyError, AttributeError."""
    archive, _, folder = raw["images"].partition("/")
    annotations, _, member = raw["annotations"].partition("/")
    return SplitSpec(archive, folder.strip("/"), annotations, member or None, raw.get("counts"))
