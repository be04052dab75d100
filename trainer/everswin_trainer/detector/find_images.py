"""Finds the images that a user names: files, folders, patterns and zip archives."""

import glob
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from everswin_trainer.data.zip_directory import is_hidden

# What OpenCV reads and MMDetection's DetInferencer finds in a folder.
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".jp2", ".ppm", ".pgm", ".gif", ".avif")
PATTERN_CHARACTERS = "*?["


@dataclass(frozen=True)
class FoundImage:
    """An image. `name` is relative to the folder or archive that the user named; `origin` is where it is."""

    name: str
    origin: str
    read: Callable[[], bytes]


def find_images(sources: list[str]) -> tuple[list[FoundImage], list[tuple[str, str]]]:
    """Returns images with unique names, and (source, reason) for each source without any."""
    found: dict[str, FoundImage] = {}
    problems = []
    for source in sources:
        try:
            images = list(_find(source))
        except (OSError, zipfile.BadZipFile, RuntimeError) as error:
            problems.append((source, f"cannot be read: {getattr(error, 'strerror', None) or error}"))
            continue
        if not images:
            problems.append((source, _explain_none(source)))
        # A file that several sources name counts once.
        for image in images:
            found.setdefault(image.origin, image)
    return _with_unique_names(list(found.values())), problems


def _find(source: str) -> Iterator[FoundImage]:
    path = Path(source)
    if path.is_dir():
        yield from _in_folder(path)
    elif path.is_file():
        yield from _in_file(path)
    elif any(character in source for character in PATTERN_CHARACTERS):
        for match in sorted(glob.glob(source, recursive=True)):
            if Path(match).is_file():
                # A pattern may match other files, such as annotations next to the images.
                if match.lower().endswith((*SUFFIXES, ".zip")):
                    yield from _in_file(Path(match))
            elif "**" not in source:
                yield from _in_folder(Path(match))


def _in_file(path: Path) -> Iterator[FoundImage]:
    if path.suffix.lower() == ".zip":
        yield from _in_archive(path)
    else:
        yield FoundImage(path.name, os.path.realpath(path), path.read_bytes)


def _in_folder(folder: Path) -> Iterator[FoundImage]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                path = Path(parent, name)
                yield FoundImage(path.relative_to(folder).as_posix(), os.path.realpath(path), path.read_bytes)


def _in_archive(path: Path) -> Iterator[FoundImage]:
    archive = zipfile.ZipFile(path)
    for name in sorted(archive.namelist()):
        parts = PurePosixPath(name.replace("\\", "/")).parts
        hidden = any(is_hidden(part) for part in parts if part != "..")
        if name.lower().endswith(SUFFIXES) and not hidden:
            yield FoundImage(name, f"{os.path.realpath(path)}/{name}", lambda name=name: archive.read(name))


def _explain_none(source: str) -> str:
    path = Path(source)
    if "://" in source:
        return "is an address; download it and name the file"
    if path.exists():
        return f"holds no image ({', '.join(SUFFIXES)})"
    if any(character in source for character in PATTERN_CHARACTERS):
        return "matches no image"
    if path.is_symlink():
        return "is a link to a missing file"
    return "does not exist"


def _with_unique_names(images: list[FoundImage]) -> list[FoundImage]:
    """Names images of the same name by their place, so that no result replaces another."""
    counts = Counter(image.name for image in images)
    return [image if counts[image.name] == 1 else replace(image, name=image.origin.lstrip("/")) for image in images]
