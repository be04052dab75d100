"""Finds the image files that annotations name, although programs write the names in many ways."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote

from everswin_trainer.data.archive_scan import NOT_IMAGE_SUFFIXES

# Label Studio stores an uploaded file under its name with such a prefix.
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}(-[0-9a-f-]{27})?[-_]{1,2}(?=.)")


@dataclass
class Match:
    """Images of a split: file names relative to the folder `root` by the name in the annotations, and those missing."""

    root: str = ""
    found: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def renamed(self) -> bool:
        return any(name != found for name, found in self.found.items())


class ImageFiles:
    """Index of the image files of a source."""

    def __init__(self, names: Sequence[str]) -> None:
        self._by_name: dict[str, list[str]] = {}
        for name in names:
            if is_image_name(name):
                for key in _keys(PurePosixPath(name).name):
                    self._by_name.setdefault(key, []).append(name)

    def match(self, listed: Sequence[str], annotations: str) -> Match:
        """Matches the listed names. A folder whose name is like that of the file `annotations` is preferred."""
        candidates = {name: self._candidates(name) for name in listed}
        votes = Counter(_root(name, path) for name, paths in candidates.items() for path in paths)
        likeness = {root: _likeness(root, annotations) for root in votes}

        def rank(name: str, path: str) -> tuple[int, int, bool, str]:
            root = _root(name, path)
            return -votes[root], -likeness[root], ".zip/" in path.lower(), path

        chosen = {
            name: min(paths, key=lambda path, name=name: rank(name, path))
            for name, paths in candidates.items()
            if paths
        }
        match = Match(missing=[name for name, paths in candidates.items() if not paths])
        if not chosen:
            return match
        roots = {_root(name, path) for name, path in chosen.items()}
        exact = len(roots) == 1 and all(path == _join(*roots, name) for name, path in chosen.items())
        match.root = roots.pop() if exact else common_folder(chosen.values())
        start = len(match.root) + 1 if match.root else 0
        match.found = {name: path[start:] for name, path in chosen.items()}
        return match

    def _candidates(self, listed: str) -> list[str]:
        """Returns the files that share the most parts of their path with a listed name."""
        parts = [part for part in unquoted(listed).replace("\\", "/").split("/") if part not in ("", ".", "..")]
        if not parts:
            return []
        for key in _keys(parts[-1]):
            files = self._by_name.get(key, [])
            if files:
                shared = {path: _shared_parts(path, parts) for path in files}
                most = max(shared.values())
                return [path for path, count in shared.items() if count == most]
        return []


def is_image_name(name: str) -> bool:
    return not name.lower().endswith((*NOT_IMAGE_SUFFIXES, ".zip", ".npy", ".names", ".data", ".cache"))


def unquoted(name: str) -> str:
    """Returns a name without a query and with percent signs decoded, if it is a URL."""
    return unquote(name.split("?")[0]) if re.match(r"^[a-z0-9]+://|^/data/|.*\?d=", name) else name


def _keys(name: str) -> Iterator[str]:
    """Yields what a name is found by, the strictest first; a looser key still identifies the image."""
    folded = unicodedata.normalize("NFC", name)
    keys = [folded, folded.casefold(), unquote(folded).casefold()]
    keys += [UPLOAD_PREFIX.sub("", key) for key in keys]
    keys += [PurePosixPath(key).stem + "." for key in keys]
    yield from dict.fromkeys(keys)


def _shared_parts(path: str, parts: list[str]) -> int:
    count = 0
    for mine, theirs in zip(reversed(path.split("/")), reversed(parts), strict=False):
        if mine.casefold() != theirs.casefold() and count > 0:
            break
        count += 1
    return count


def _root(listed: str, path: str) -> str:
    """Returns the folder to which a listed name is relative, or the folder of the file."""
    if path == listed:
        return ""
    return path[: -len(listed) - 1] if path.endswith(f"/{listed}") else path.rpartition("/")[0]


def _join(root: str, name: str) -> str:
    return f"{root}/{name}" if root else name


def _likeness(folder: str, annotations: str) -> int:
    """Counts the words that two paths share, such as `train`."""
    words = [set(re.findall(r"[a-z]+|\d+", path.lower())) for path in (folder, annotations)]
    return len(words[0] & words[1])


def common_folder(paths: Iterable[str]) -> str:
    """Returns the deepest folder that contains all paths; "" for the top."""
    folders = [path.split("/")[:-1] for path in paths]
    common = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "/".join(common)
