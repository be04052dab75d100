"""Prepares a data set for training: checks archives, images and annotations, and writes an index of image locations.

`python -m everswin_trainer prepare-dataset --spec SPEC --into FOLDER --out ANSWER` (see
docs/reference/trainer-contract.md). It extracts images only on request and creates FOLDER atomically. It needs only
Python, and OpenCV for the images that it decodes.
"""

import argparse
import fcntl
import gc
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from everswin_trainer.data.archive_scan import (
    OpenArchive,
    ScannedImage,
    ScanPool,
    ScanResult,
    copy_annotations,
    read_annotations,
    scan,
    split_tasks,
)
from everswin_trainer.data.bad_images import Fault, decide, leave_out
from everswin_trainer.data.check_annotations import Annotations
from everswin_trainer.data.dataset import MANIFEST, file_digest, find_prepared
from everswin_trainer.data.dataset_spec import SPLITS, DatasetSpec, SplitSpec
from everswin_trainer.data.findings import Findings, format_count
from everswin_trainer.data.inspect_archives import find_member
from everswin_trainer.data.match_images import ImageMatcher, Split
from everswin_trainer.data.scan_journal import Range, ScanJournal
from everswin_trainer.data.stage_progress import StageProgress
from everswin_trainer.data.write_dataset import describe_split, extract_images, write_split_index
from everswin_trainer.data.zip_directory import (
    FETCH_AGAIN,
    Refused,
    find_case_collisions,
    quote,
    read_central_directory,
)
from everswin_trainer.system.atomic_file import fsync_folder, write_json

# The images of a small archive take seconds to decode; of a larger one, only this many are decoded without a cause.
SMALL_BYTES, DECODED_IMAGES = 64 << 20, 32
CORRECT_NUMBER = "Correct the number in the catalog, or copy or download the archive again"


def main(argv: Sequence[str]) -> int:
    """Writes the answer. Returns 0 whether the data set is accepted or refused, 1 after an OSError."""
    parser = argparse.ArgumentParser(prog="everswin_trainer prepare-dataset")
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    begin = time.monotonic()
    # A short-lived process with many small objects and no reference cycles.
    gc.disable()
    try:
        answer = prepare(DatasetSpec.load(arguments.spec), arguments.into.absolute())
        write_json(arguments.out, {**answer, "seconds": time.monotonic() - begin, "preparedAt": time.time()})
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def prepare(spec: DatasetSpec, into: Path) -> dict[str, Any]:
    """Returns the answer without its times. Raises OSError."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive_lock(into):
        manifest = find_prepared(into, spec.content_key)
        if manifest is not None:
            return _answer(_add_samples(into, manifest), reused=True)
        partial = into.with_name(f".{into.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        journal = ScanJournal(into.with_name(f".{into.name}.scanned"), spec.content_key)
        work = _Preparation(spec, partial, journal)
        try:
            if not work.check():
                journal.remove()
                return {"v": 1, "ok": False, "problems": work.problems, "warnings": work.warnings}
            manifest = work.write()
            shutil.rmtree(into, ignore_errors=True)
            partial.rename(into)
            fsync_folder(into.parent)
            journal.remove()
        except OSError:
            # A full disk needs the space more than the next check needs the journal.
            journal.remove()
            raise
        finally:
            work.close()
            shutil.rmtree(partial, ignore_errors=True)
    return _answer(manifest, reused=False)


@contextmanager
def _exclusive_lock(into: Path) -> Iterator[None]:
    """Lets one process at a time prepare a folder; the next one finds the result."""
    with open(into.with_name(f".{into.name}.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _add_samples(into: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Adds the samples to a folder that an earlier version prepared without them. Returns the new manifest."""
    # Imported here: a data set that is prepared needs no NumPy.
    from everswin_trainer.data.sample_file import samples_file, write_samples

    missing = [split for split in manifest["splits"].values() if "samples" not in split]
    for split in missing:
        annotations = into / split["annotations"]
        write_samples(annotations)
        samples = samples_file(annotations)
        split["samples"] = samples.name
        manifest["files"][samples.name] = file_digest(samples)
    if missing:
        write_json(into / MANIFEST, manifest)
    return manifest


def _answer(manifest: dict[str, Any], reused: bool) -> dict[str, Any]:
    splits = manifest["splits"]
    return {
        "v": 1,
        "ok": True,
        "problems": [],
        "warnings": manifest["warnings"],
        "images": {name: splits[name]["images"] for name in SPLITS},
        "instances": {name: splits[name]["instances"] for name in SPLITS},
        "usableImages": {name: splits[name]["usableImages"] for name in SPLITS},
        "usableObjects": {name: splits[name]["usableObjects"] for name in SPLITS},
        "masksFromBoxes": {name: splits[name]["masksFromBoxes"] for name in SPLITS},
        "classes": len(manifest["classes"]),
        "decoded": manifest["decoded"],
        "files": sum(one["files"] for one in manifest["archives"].values()),
        "bytes": sum(one["bytes"] for one in manifest["archives"].values()),
        "reused": reused,
    }


class _Preparation:
    """Preparation of one data set, from its archives to the folder `into`."""

    def __init__(self, spec: DatasetSpec, into: Path, journal: ScanJournal) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._spec, self._into, self._journal = spec, into, journal
        self._archives: dict[str, OpenArchive] = {}
        self._scanned: dict[str, dict[int, ScannedImage]] = {}
        self._splits: dict[str, Split] = {}
        self._annotation_members: dict[str, int] = {}
        self._pool: ScanPool | None = None

    def check(self) -> bool:
        """Returns whether the data set can be trained on; otherwise `problems` holds the reasons."""
        for name in sorted(self._spec.archives.keys() - self._spec.plain_files()):
            self._open(name)
        for name, split in self._spec.splits.items():
            self._find_annotations(name, split)
        if self.problems:
            return False
        self._pool = ScanPool(self._archives)
        self._read_all(self._pool.executor)
        if self._splits.keys() == set(SPLITS):
            self._match_images(self._pool.executor)
            self._compare_splits()
        return not self.problems

    def close(self) -> None:
        if self._pool:
            self._pool.executor.shutdown(cancel_futures=True)
        for archive in self._archives.values():
            os.close(archive.descriptor)

    def _open(self, name: str) -> None:
        """Opens an archive and reads its central directory."""
        spec = self._spec.archives[name]
        descriptor = os.open(spec.path, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            if size != spec.bytes:
                raise Refused(f"it has {format_count(size, 'byte')}, expected {spec.bytes}", FETCH_AGAIN)
            entries = read_central_directory(descriptor)
            if spec.files not in (None, len(entries)):
                raise Refused(f"it holds {len(entries)} files, expected {spec.files}", CORRECT_NUMBER)
        except Refused as refused:
            self._refuse(name, f"{refused}. {refused.remedy}")
            return
        collisions = Findings(name)
        for entry_name in find_case_collisions(entries):
            collisions.add("names that differ only in case", "file", quote(entry_name))
        self.warnings += collisions.lines()
        archive = self._archives[name] = OpenArchive(name, descriptor, entries)
        splits = [split for split in self._spec.splits.values() if split.archive == name]
        archive.image_folders = tuple({f"{split.folder}/" if split.folder else "" for split in splits})
        archive.sample = self._choose_sample(archive, len(splits))

    def _refuse(self, archive: str, why: str) -> None:
        self.problems.append(f"{archive} is refused: {why}")

    def _choose_sample(self, archive: OpenArchive, splits: int) -> frozenset[int]:
        """Returns the entries to decode, evenly spaced; each split gets half of them."""
        inside = [number for number, one in enumerate(archive.entries) if one.name.startswith(archive.image_folders)]
        if not splits or not inside:
            return frozenset()
        decode = self._spec.decode
        if decode == "auto":
            size = sum(archive.entries[number].compressed for number in inside)
            decode = "all" if size <= SMALL_BYTES else DECODED_IMAGES
        if decode == "all":
            return frozenset(inside)
        count = min(len(inside), -(-decode * splits // len(SPLITS)))
        return frozenset(inside[index * len(inside) // count] for index in range(count))

    def _find_annotations(self, split: str, spec: SplitSpec) -> None:
        archive = self._archives.get(spec.annotations)
        if spec.member is None or archive is None:
            return
        numbers = [number for number, entry in enumerate(archive.entries) if entry.name == spec.member]
        if numbers:
            self._annotation_members[split] = numbers[0]
        elif problem := find_member(spec, archive.entries):
            self.problems.append(problem)

    def _read_all(self, pool: ProcessPoolExecutor) -> None:
        """Reads all archives and both annotation files in parallel."""
        annotations: dict[Future[Annotations | str], str] = {}
        for name, spec in self._spec.splits.items():
            target = self._into / f"{name}.json"
            if spec.member is None:
                path = self._spec.archives[spec.annotations].path
                annotations[pool.submit(copy_annotations, path, name, target, self._spec.masks_from_boxes)] = name
            else:
                number = self._annotation_members[name]
                future = pool.submit(
                    read_annotations, spec.annotations, number, name, target, self._spec.masks_from_boxes
                )
                annotations[future] = name
        scans: dict[Future[ScanResult], Range] = {}
        done: list[tuple[Range, ScanResult]] = []
        total = 0
        for archive in self._archives.values():
            total += sum(entry.compressed for entry in archive.entries)
            for first, last in split_tasks(archive.entries):
                part = (archive.name, first, last)
                if earlier := self._journal.find(part):
                    done.append((part, earlier))
                else:
                    scans[pool.submit(scan, *part)] = part
        self._collect_scans(done, scans, total)
        for future, name in annotations.items():
            result = future.result()
            if isinstance(result, str):
                self._refuse(self._spec.splits[name].annotations, result)
            else:
                self.problems += result.problems
                self.warnings += result.warnings
                self._splits[name] = Split(self._spec.splits[name], result)

    def _collect_scans(
        self, done: list[tuple[Range, ScanResult]], scans: dict[Future[ScanResult], Range], total: int
    ) -> None:
        damage = {name: Findings(f"{name} is refused") for name in self._archives}
        self._scanned = {name: {} for name in self._archives}
        progress = StageProgress("checking", total)
        for part, result in chain(done, self._finish(scans)):
            name = part[0]
            self._scanned[name].update((image.number, image) for image in result.images)
            for problem in result.problems:
                damage[name].add("damaged", "entry", problem, FETCH_AGAIN)
            progress.more(result.bytes)
        for one in damage.values():
            self.problems += one.lines()

    def _finish(self, scans: dict[Future[ScanResult], Range]) -> Iterator[tuple[Range, ScanResult]]:
        """Yields the scans as they complete, and records them for a check that is interrupted."""
        for future in as_completed(scans):
            part, result = scans[future], future.result()
            self._journal.add(part, result)
            yield part, result

    def _match_images(self, pool: ProcessPoolExecutor) -> None:
        """Compares the annotations with the images, and leaves out those that the input allows to leave out."""
        shared = len({split.archive for split in self._spec.splits.values()}) < len(SPLITS)
        faults: dict[str, list[Fault]] = {}
        explanation: list[str] = []
        for name, split in self._splits.items():
            archive = split.spec.archive
            matcher = ImageMatcher(name, split, self._archives[archive], self._scanned[archive], shared)
            match = matcher.match(self._into / f"{name}.json", pool)
            self._check_counts(name, split)
            self.warnings += match.warnings
            faults[name] = match.faults
            explanation += match.explanation
        listed = {name: [image[0] for image in self._splits[name].annotations.images] for name in SPLITS}
        decision = decide(faults, listed, self._spec.skip)
        self.problems += decision.problems
        self.warnings += decision.warnings
        if decision.problems:
            self.problems += explanation
        if self.problems:
            return
        for name, split in self._splits.items():
            names = decision.left_out[name]
            if not names:
                continue
            prefix = f"{split.spec.folder}/" if split.spec.folder else ""
            split.images = [pair for pair in split.images if pair[0].name.removeprefix(prefix) not in names]
            split.annotations = leave_out(split.annotations, self._into / f"{name}.json", names)
            if not split.annotations.annotated:
                self.problems.append(f"{name}: no image with annotations remains: skipBadImages leaves out too many")
            else:
                self.problems += split.annotations.problems

    def _check_counts(self, name: str, split: Split) -> None:
        problems = Findings(name)
        listed = split.annotations
        actual = {"images": len(listed.images), "instances": listed.instances, "annotated": listed.annotated}
        for noun, expected in (split.spec.counts or {}).items():
            if actual[noun] != expected:
                problems.add_once(f"{actual[noun]} {noun} are listed, expected {expected}")
        classes = len(split.annotations.categories)
        if self._spec.classes not in (None, classes):
            problems.add_once(f"{classes} classes are listed, expected {self._spec.classes}")
        self.problems += problems.lines()

    def _compare_splits(self) -> None:
        train, val = (self._splits[name] for name in SPLITS)
        if train.annotations.categories != val.annotations.categories:
            classes = f"{_format_classes(train)} and {_format_classes(val)}"
            self.problems.append(f"train and val: the classes differ, or their order does: {classes}")
        duplicates = Findings("train and val")
        # Compares contents: file names may differ.
        in_train = {(entry.crc, entry.size) for entry, _ in train.images}
        for entry, _ in val.images:
            if (entry.crc, entry.size) in in_train:
                duplicates.add("is in both splits: validation measures memorization", "image", quote(entry.name))
        self.warnings += duplicates.lines()

    def write(self) -> dict[str, Any]:
        """Writes the folder's files, the manifest last, and returns the manifest."""
        assert self._pool, "check() runs before write()"
        if self._spec.extract:
            extract_images(self._into, self._splits, self._archives, self._pool.executor)
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
                f"{name}.{kind}": file_digest(self._into / f"{name}.{kind}")
                for name in SPLITS
                for kind in ("json", "samples", "index")
            },
            "decoded": sum(image.decoded for images in self._scanned.values() for image in images.values()),
            "warnings": self.warnings,
        }
        write_json(self._into / MANIFEST, manifest)
        return manifest

    def _write_split(self, name: str) -> dict[str, Any]:
        """Writes the index of a split and returns its entry in the manifest."""
        split = self._splits[name]
        write_split_index(self._into / f"{name}.index", split)
        path = self._spec.archives[split.spec.archive].path
        return describe_split(name, split, None if self._spec.extract else str(path))


def _format_classes(split: Split) -> str:
    names = [f"{key} {quote(name)[1:-1]}" for key, name in split.annotations.categories]
    return f"[{', '.join(names[:8])}{', …' if len(names) > 8 else ''}]"
