"""Checks whether local files can be the archives and annotations of a data set, before anything is copied or read.

`python -m everswin_trainer inspect-archives --spec SPEC --out ANSWER` (docs/reference/trainer-contract.md) reads only
the directories of archives and the first bytes of other files, so that the dry run can name a wrong file.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from everswin_trainer.data.dataset_spec import SPLITS, SplitSpec, read_split
from everswin_trainer.data.file_kind import HEAD_BYTES, name_kind
from everswin_trainer.data.zip_directory import Entry, Refused, quote, read_central_directory
from everswin_trainer.system.atomic_file import write_json

# Members to list when the named one is missing.
MOST_MEMBERS = 5


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="everswin_trainer inspect-archives")
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    spec = json.loads(arguments.spec.read_bytes())
    splits = {name: read_split(spec["splits"][name]) for name in SPLITS}
    problems = inspect({name: Path(path) for name, path in spec["files"].items()}, splits)
    write_json(arguments.out, {"v": 1, "problems": problems})
    return 0


def inspect(files: dict[str, Path], splits: dict[str, SplitSpec]) -> list[str]:
    """Returns one line for each file that cannot play its role. Roles of files that are not in `files` are ignored."""
    problems: list[str] = []
    directories: dict[str, list[Entry]] = {}
    archives = {split.archive for split in splits.values()}
    archives |= {split.annotations for split in splits.values() if split.member}
    for name in sorted(archives & files.keys()):
        try:
            directories[name] = read_directory(files[name])
        except Refused as refused:
            problems.append(f"{name} ({files[name]}) is refused: {refused}. {refused.remedy}")
        except OSError as error:
            problems.append(f"{name} ({files[name]}) cannot be read: {error.strerror}")
    for split in splits.values():
        if split.archive in directories and (problem := find_folder(split, directories[split.archive])):
            problems.append(problem)
        if split.member and split.annotations in directories:
            problem = find_member(split, directories[split.annotations])
        elif split.member is None and split.annotations in files:
            problem = _find_annotation_problem(split.annotations, files[split.annotations])
        else:
            continue
        if problem:
            problems.append(problem)
    return list(dict.fromkeys(problems))


def read_directory(path: Path) -> list[Entry]:
    """Returns the entries of an archive. Raises Refused, OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return read_central_directory(descriptor)
    finally:
        os.close(descriptor)


def find_folder(split: SplitSpec, entries: list[Entry]) -> str | None:
    """Returns the problem if an archive lacks the folder of a split's images."""
    if not split.folder or any(entry.name.startswith(f"{split.folder}/") for entry in entries):
        return None
    folders = {entry.name.rpartition("/")[0] for entry in entries} - {""}
    if not folders:
        return f"{split.archive} is refused: it holds no folders. Name the archive without {quote(f'/{split.folder}')}"
    ordered = sorted(folders, key=lambda name: (name.count("/"), name))
    return _format_missing(split.archive, f"no folder {quote(split.folder)}", "folders", ordered)


def find_member(split: SplitSpec, entries: list[Entry]) -> str | None:
    """Returns the problem if an archive lacks a split's annotations."""
    if any(entry.name == split.member for entry in entries):
        return None
    names = [entry.name for entry in entries if entry.name.lower().endswith(".json")]
    return _format_missing(split.annotations, f"no {quote(split.member or '')}", "JSON files", names)


def explain_annotations(content: bytes) -> str | None:
    """Returns what a file is instead of JSON, and the remedy; None if its first bytes do not tell."""
    kind = name_kind(content[:HEAD_BYTES])
    if kind is None or kind.group == "JSON":
        return None
    remedies = {
        "archive": "Unpack it",
        "page": "Download the file again",
        "pointer": "Run `git lfs pull`",
    }
    remedy = remedies.get(kind.group, "Give a COCO JSON file")
    if kind.name == "a zip archive":
        remedy = "Write the path of the JSON file in it after its name (ARCHIVE/path/inside.json)"
    return f"the file is {kind.name}. {remedy}"


def _find_annotation_problem(name: str, path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            problem = explain_annotations(stream.read(HEAD_BYTES))
    except OSError as error:
        return f"{name} ({path}) cannot be read: {error.strerror}"
    return problem and f"{name} ({path}) holds no annotations: {problem}"


def _format_missing(archive: str, missing: str, what: str, names: list[str]) -> str:
    listed = ", ".join(quote(name) for name in names[:MOST_MEMBERS]) + (", …" if len(names) > MOST_MEMBERS else "")
    return f"{archive} is refused: it holds {missing}. It holds {f'the {what} {listed}' if names else f'no {what}'}"
