"""Makes a data set ready to train from: checks archives, images and annotations, and writes where each image lies.

`python -m everswin_trainer prepare-dataset --spec SPEC --into FOLDER --out ANSWER` (docs/trainer-contract.md). Nothing
is unpacked unless it was asked for. FOLDER appears whole or not at all. Needs nothing but Python, and OpenCV for the
few images that are decoded.
"""

import argparse
import ctypes
import fcntl
import gc
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from everswin_trainer.data.archive_checks import (
    NO_IMAGES,
    Checks,
    ImageFound,
    OpenArchive,
    Scanned,
    copy_annotations,
    extract,
    read_annotations,
    scan,
)
from everswin_trainer.data.check_annotations import Annotations
from everswin_trainer.data.dataset import MANIFEST, find_prepared, hash_of, image_file
from everswin_trainer.data.dataset_spec import SPLITS, DatasetSpec, SplitSpec
from everswin_trainer.data.findings import Findings
from everswin_trainer.data.image_index import Place, write_index
from everswin_trainer.data.stage_progress import StageProgress
from everswin_trainer.data.zip_list import Entry, Refused, case_twins, quote, read_list
from everswin_trainer.system.atomic_file import fsync_folder, write_json
from everswin_trainer.system.disk_space import require_space

# A task is long enough to be worth sending, and short enough that the processes end together.
TASK_BYTES, TASK_ENTRIES = 32 << 20, 1000
# EXIF orientations that mirror or turn an image without changing its sides.
TURNED_IN_PLACE = (2, 3, 4)


def main(argv: Sequence[str]) -> int:
    """Writes the answer and leaves with 0 whatever the verdict is; 1 with one line where the machine fails."""
    parser = argparse.ArgumentParser(prog="everswin_trainer prepare-dataset")
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    begin = time.monotonic()
    # A short life with many small things that never go in circles.
    gc.disable()
    try:
        answer = prepare(DatasetSpec.load(arguments.spec), arguments.into.absolute())
        write_json(arguments.out, {**answer, "seconds": time.monotonic() - begin, "preparedAt": time.time()})
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def prepare(spec: DatasetSpec, into: Path) -> dict[str, Any]:
    """The answer without its times. Raises OSError."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with _alone(into):
        manifest = find_prepared(into, spec.content_key)
        if manifest is not None:
            return _answer(manifest, reused=True)
        partial = into.with_name(f".{into.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        work = _Preparation(spec, partial)
        try:
            if not work.check():
                return {"v": 1, "ok": False, "problems": work.problems, "warnings": work.warnings}
            manifest = work.write()
            shutil.rmtree(into, ignore_errors=True)
            partial.rename(into)
            fsync_folder(into.parent)
        finally:
            work.close()
            shutil.rmtree(partial, ignore_errors=True)
    return _answer(manifest, reused=False)


@contextmanager
def _alone(into: Path) -> Iterator[None]:
    """Of several that prepare the same folder one does, and the others find it done."""
    with open(into.with_name(f".{into.name}.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _answer(manifest: dict[str, Any], reused: bool) -> dict[str, Any]:
    splits = manifest["splits"]
    return {
        "v": 1,
        "ok": True,
        "problems": [],
        "warnings": manifest["warnings"],
        "images": {name: splits[name]["images"] for name in SPLITS},
        "instances": {name: splits[name]["instances"] for name in SPLITS},
        "classes": len(manifest["classes"]),
        "decoded": manifest["decoded"],
        "files": sum(one["files"] for one in manifest["archives"].values()),
        "bytes": sum(one["bytes"] for one in manifest["archives"].values()),
        "reused": reused,
    }


@dataclass
class _Split:
    """`images` pairs the listed ones with their entries and what was found there."""

    spec: SplitSpec
    annotations: Annotations
    images: list[tuple[Entry, ImageFound]] = field(default_factory=list)


class _Preparation:
    """One data set, from its archives to the folder `into`."""

    def __init__(self, spec: DatasetSpec, into: Path) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._spec, self._into = spec, into
        self._archives: dict[str, OpenArchive] = {}
        self._found: dict[str, dict[int, ImageFound]] = {}
        self._splits: dict[str, _Split] = {}
        self._annotation_members: dict[str, int] = {}
        self._checks: Checks | None = None

    def check(self) -> bool:
        """Whether all is well enough to train; otherwise the problems say why not."""
        for name in sorted(self._spec.archives.keys() - self._spec.plain_files()):
            self._open(name)
        for name, split in self._spec.splits.items():
            self._find_annotations(name, split)
        if self.problems:
            return False
        self._checks = Checks(self._archives)
        self._read_all(self._checks.pool)
        if self._splits.keys() == set(SPLITS):
            for name in SPLITS:
                self._match_images(name)
            self._compare_splits()
        return not self.problems

    def close(self) -> None:
        if self._checks:
            self._checks.pool.shutdown(cancel_futures=True)
        for archive in self._archives.values():
            os.close(archive.descriptor)

    def _open(self, name: str) -> None:
        """Reads an archive's list."""
        spec = self._spec.archives[name]
        descriptor = os.open(spec.path, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            if size != spec.bytes:
                raise Refused(f"it has {size} bytes, expected {spec.bytes}")
            entries = read_list(descriptor)
            if spec.files not in (None, len(entries)):
                raise Refused(f"it holds {len(entries)} files, expected {spec.files}")
        except Refused as refused:
            self._refuse(name, str(refused))
            return
        twins = Findings(name)
        for twin in case_twins(entries):
            twins.add("names that differ only in case", "file", quote(twin))
        self.warnings += twins.lines()
        archive = self._archives[name] = OpenArchive(name, descriptor, entries)
        splits = [split for split in self._spec.splits.values() if split.archive == name]
        archive.image_folders = tuple({f"{split.folder}/" if split.folder else "" for split in splits})
        archive.sample = self._choose_sample(archive, len(splits))

    def _refuse(self, archive: str, why: str) -> None:
        self.problems.append(f"{archive} is refused: {why}")

    def _choose_sample(self, archive: OpenArchive, splits: int) -> frozenset[int]:
        """Entries to decode whole, evenly spread; half of them for each split."""
        inside = [number for number, one in enumerate(archive.entries) if one.name.startswith(archive.image_folders)]
        if not splits or not inside:
            return frozenset()
        if self._spec.decode is None:
            return frozenset(inside)
        count = min(len(inside), -(-self._spec.decode * splits // len(SPLITS)))
        return frozenset(inside[index * len(inside) // count] for index in range(count))

    def _find_annotations(self, split: str, spec: SplitSpec) -> None:
        archive = self._archives.get(spec.annotations)
        if spec.member is None or archive is None:
            return
        numbers = [number for number, entry in enumerate(archive.entries) if entry.name == spec.member]
        if numbers:
            self._annotation_members[split] = numbers[0]
        else:
            self._refuse(spec.annotations, f"it holds no {quote(spec.member)}")

    def _read_all(self, pool: ProcessPoolExecutor) -> None:
        """All bytes of all archives, and both annotation files, side by side."""
        annotations: dict[Future[Annotations | str], str] = {}
        for name, spec in self._spec.splits.items():
            target = self._into / f"{name}.json"
            if spec.member is None:
                path = self._spec.archives[spec.annotations].path
                annotations[pool.submit(copy_annotations, path, name, target)] = name
            else:
                number = self._annotation_members[name]
                annotations[pool.submit(read_annotations, spec.annotations, number, name, target)] = name
        scans: dict[Future[Scanned], str] = {}
        total = 0
        for archive in self._archives.values():
            total += sum(entry.packed for entry in archive.entries)
            for first, last in _tasks(archive.entries):
                scans[pool.submit(scan, archive.name, first, last)] = archive.name
        self._gather(scans, total)
        for future, name in annotations.items():
            result = future.result()
            if isinstance(result, str):
                self._refuse(self._spec.splits[name].annotations, result)
            else:
                self.problems += result.problems
                self.warnings += result.warnings
                self._splits[name] = _Split(self._spec.splits[name], result)

    def _gather(self, scans: dict[Future[Scanned], str], total: int) -> None:
        damage = {name: Findings(f"{name} is refused") for name in self._archives}
        self._found = {name: {} for name in self._archives}
        say = StageProgress("checking", total)
        for future in as_completed(scans):
            name, result = scans[future], future.result()
            self._found[name].update((image.number, image) for image in result.images)
            for problem in result.problems:
                damage[name].add("damaged", "entry", problem)
            say.more(result.bytes)
        for one in damage.values():
            self.problems += one.lines()

    def _match_images(self, name: str) -> None:
        """Holds what the annotations say of each image against what is there."""
        split = self._splits[name]
        archive, found = self._archives[split.spec.archive], self._found[split.spec.archive]
        prefix = f"{split.spec.folder}/" if split.spec.folder else ""
        numbers = {one.name: number for number, one in enumerate(archive.entries) if one.name.startswith(prefix)}
        problems, warnings = Findings(name), Findings(name)
        place = split.spec.archive + (f"/{split.spec.folder}" if prefix else "")
        shared = sum(one.archive == split.spec.archive for one in self._spec.splits.values()) > 1
        listed = set()
        for file_name, width, height in split.annotations.images:
            number = numbers.get(prefix + file_name)
            if number is None:
                problems.add(f"listed, but not in {place}", "image", quote(file_name))
            elif number in found:
                listed.add(number)
                split.images.append((archive.entries[number], found[number]))
                _judge(found[number], (width, height), quote(file_name), problems, warnings)
            elif file_name.endswith(NO_IMAGES):
                problems.add("is no image", "image", quote(file_name))
        for file_name, number in numbers.items():
            hidden = any(part.startswith(".") or part == "__MACOSX" for part in file_name.split("/"))
            if number not in listed and not hidden and not shared:
                warnings.add(f"in {place}, but not listed", "file", quote(file_name))
        self._hold_counts(split, problems)
        self.problems += problems.lines()
        self.warnings += warnings.lines()

    def _hold_counts(self, split: _Split, problems: Findings) -> None:
        seen = split.annotations
        found = {"images": len(seen.images), "instances": seen.instances, "annotated": seen.annotated}
        for what, expected in (split.spec.counts or {}).items():
            if found[what] != expected:
                problems.say(f"{found[what]} {what} are listed, expected {expected}")
        classes = len(split.annotations.categories)
        if self._spec.classes not in (None, classes):
            problems.say(f"{classes} classes are listed, expected {self._spec.classes}")

    def _compare_splits(self) -> None:
        train, val = (self._splits[name] for name in SPLITS)
        if train.annotations.categories != val.annotations.categories:
            self.problems.append(
                f"train and val: they list different classes, or in another order: {_show(train)} and {_show(val)}"
            )
        twins = Findings("train and val")
        # The same bytes, whatever the files are called.
        of_train = {(entry.crc, entry.size) for entry, _ in train.images}
        for entry, _ in val.images:
            if (entry.crc, entry.size) in of_train:
                twins.add("in both, so that validation measures what was learned by heart", "image", quote(entry.name))
        self.warnings += twins.lines()

    def write(self) -> dict[str, Any]:
        """Writes the folder's files, the manifest last; returns it."""
        assert self._checks, "check() came before"
        if self._spec.extract:
            self._extract(self._checks.pool)
        manifest: dict[str, Any] = {
            "v": 1,
            "contentKey": self._spec.content_key,
            "classes": [name for _, name in self._splits["train"].annotations.categories],
            "splits": {name: self._write_split(name) for name in SPLITS},
            "archives": {
                name: {
                    "path": str(one.path),
                    "sha256": one.sha256,
                    "bytes": one.bytes,
                    "files": len(self._archives[name].entries) if name in self._archives else 1,
                }
                for name, one in self._spec.archives.items()
            },
            "files": {
                f"{name}.{kind}": hash_of(self._into / f"{name}.{kind}")
                for name in SPLITS
                for kind in ("json", "index")
            },
            "decoded": sum(image.decoded for found in self._found.values() for image in found.values()),
            "warnings": self.warnings,
        }
        write_json(self._into / MANIFEST, manifest)
        return manifest

    def _write_split(self, name: str) -> dict[str, Any]:
        split = self._splits[name]
        write_index(
            self._into / f"{name}.index",
            (
                (entry.name, Place(image.offset, entry.packed, entry.size, entry.crc, entry.method))
                for entry, image in {entry.name: (entry, image) for entry, image in split.images}.values()
            ),
        )
        path = self._spec.archives[split.spec.archive].path
        return {
            "archive": None if self._spec.extract else str(path),
            "folder": split.spec.folder,
            "index": f"{name}.index",
            "annotations": f"{name}.json",
            "images": len(split.annotations.images),
            "annotated": split.annotations.annotated,
            "instances": split.annotations.instances,
        }

    def _extract(self, pool: ProcessPoolExecutor) -> None:
        """The listed images as files, each checked once more while it is written. Raises OSError."""
        total = sum(entry.size for split in self._splits.values() for entry, _ in split.images)
        require_space("unpacking", self._into, total)
        futures = []
        for name, split in self._splits.items():
            targets = {
                image.number: image_file(self._into, name, split.spec.folder, entry.name)
                for entry, image in split.images
            }
            for folder in {path.parent for path in targets.values()}:
                folder.mkdir(parents=True, exist_ok=True)
            entries = self._archives[split.spec.archive].entries
            chosen = sorted(targets)
            for first, last in _tasks([entries[number] for number in chosen]):
                task = [(number, targets[number]) for number in chosen[first:last]]
                futures.append(pool.submit(extract, split.spec.archive, task))
        say = StageProgress("extracting", total)
        for future in as_completed(futures):
            say.more(future.result())
        _sync_disk(self._into)


def _tasks(entries: list[Entry]) -> Iterator[tuple[int, int]]:
    """Cuts a list of entries into pieces of about the same work: (first, last + 1)."""
    first, size = 0, 0
    for number, entry in enumerate(entries):
        size += entry.packed
        if size >= TASK_BYTES or number - first + 1 >= TASK_ENTRIES:
            yield first, number + 1
            first, size = number + 1, 0
    if first < len(entries):
        yield first, len(entries)


def _judge(image: ImageFound, expected: tuple[int, int], name: str, problems: Findings, warnings: Findings) -> None:
    header = image.header
    if image.problem or header is None:
        problems.add(image.problem or "cannot be decoded", "image", name)
        return
    if header.seen != expected:
        what = "has another size than its annotations say"
        if (header.width, header.height) == expected:
            what = "is turned by its EXIF data when it is loaded, but annotated as it lies in the file"
        problems.add(what, "image", f"{name}: {_size(header.seen)} instead of {_size(expected)}")
    elif header.orientation in TURNED_IN_PLACE:
        warnings.add("is turned by its EXIF data when it is loaded; is it annotated so?", "image", name)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _show(split: _Split) -> str:
    names = [f"{key} {quote(name)[1:-1]}" for key, name in split.annotations.categories]
    return f"[{', '.join(names[:8])}{', …' if len(names) > 8 else ''}]"


def _sync_disk(folder: Path) -> None:
    """One sync for all files: a hundred thousand of their own take many times as long. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), f"the disk of {folder} cannot be synced")
    finally:
        os.close(descriptor)
