"""Imports a data set that another program exported: finds annotations and images, splits, checks, and draws a preview.

`python -m everswin_trainer import-dataset --source PATH --into FOLDER --out ANSWER` (see
docs/reference/trainer-contract.md). Images stay where they are. FOLDER gets a picture, and the annotations of each
split that differ from those of the export.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from everswin_trainer.data.dataset_spec import SPLITS
from everswin_trainer.importing.check_parts import check_parts
from everswin_trainer.importing.coco import keep_images
from everswin_trainer.importing.find_parts import Request, find_parts
from everswin_trainer.importing.part import Part
from everswin_trainer.importing.preview import write_preview
from everswin_trainer.importing.source import CannotImport
from everswin_trainer.system.atomic_file import write_json

PREVIEW = "preview.png"
# There is no run file yet to set an option in.
SKIP_ADVICE = ('set "skipBadImages": ', "import with --skip-bad-images ")


def main(argv: Sequence[str]) -> int:
    """Writes the answer. Returns 0 whether the data are imported or refused, 1 after an OSError."""
    parser = argparse.ArgumentParser(prog="everswin_trainer import-dataset")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--annotations")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--val", default=None)
    parser.add_argument("--group-by", default="none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--masks", choices=("from-boxes",))
    parser.add_argument("--crowd", choices=("as-objects",))
    parser.add_argument("--skip-bad-images", type=int, default=0)
    arguments = parser.parse_args(argv)
    request = Request(
        source=arguments.source,
        annotations=arguments.annotations,
        images=arguments.images,
        val=arguments.val,
        group_by=arguments.group_by,
        seed=arguments.seed,
        masks=arguments.masks,
        crowd=arguments.crowd,
        skip_bad_images=arguments.skip_bad_images,
    )
    try:
        answer = import_dataset(request, arguments.into.absolute())
    except CannotImport as refusal:
        answer = {"v": 1, "ok": False, "problems": [str(refusal)], "warnings": []}
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    write_json(arguments.out, answer)
    return 0


def import_dataset(request: Request, into: Path) -> dict[str, Any]:
    """Returns the answer. Raises CannotImport and OSError; `into` exists only after a success."""
    _require_replaceable(into)
    found = find_parts(request, into)
    partial = into.with_name(f".{into.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for name, part in found.parts.items():
            (partial / f"{name}.json").write_bytes(_content(part))
        checked = check_parts(found.parts, partial, _run_options(request))
        if not checked["ok"]:
            problems = [
                line.replace(*SKIP_ADVICE).replace(" in the run file to train", " to train")
                for line in checked["problems"]
            ]
            return {"v": 1, "ok": False, "problems": problems, "warnings": checked["warnings"]}
        write_preview(found.parts, partial / PREVIEW)
        splits = {name: _split_answer(name, part, partial, into) for name, part in found.parts.items()}
        for name, kept in checked.get("kept", {}).items():
            found.parts[name] = part = replace(found.parts[name])
            keep_images(part, lambda image, kept=kept: image["id"] in kept)
        for name, part in found.parts.items():
            splits[name]["imageCount"] = len(part.document["images"])
            splits[name]["objectCount"] = len(part.document["annotations"])
        shutil.rmtree(into, ignore_errors=True)
        partial.rename(into)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {
        "v": 1,
        "ok": True,
        "problems": [],
        "warnings": checked["warnings"],
        "format": found.format,
        "notes": found.notes,
        "splits": splits,
        "classes": _count_classes(found.parts),
        "preview": str(into / PREVIEW),
    }


def _run_options(request: Request) -> dict[str, Any]:
    """Returns the fields of the run file that the check of the data depends on."""
    options: dict[str, Any] = {"skipBadImages": request.skip_bad_images}
    return options | ({"masks": request.masks} if request.masks else {})


def _content(part: Part) -> bytes:
    if not part.changed and part.annotations is not None and part.annotation_source is not None:
        return part.annotation_source.read(part.annotations)
    return json.dumps(part.document).encode()


def _require_replaceable(into: Path) -> None:
    """Raises CannotImport if `into` holds anything that an import does not write."""
    known = {PREVIEW, *(f"{name}.json" for name in SPLITS)}
    others = sorted({one.name for one in into.iterdir()} - known) if into.is_dir() else []
    if others:
        raise CannotImport(
            f"{into} holds files that an import does not write: {', '.join(others[:5])}. Choose another --out."
        )


def _split_answer(name: str, part: Part, written: Path, into: Path) -> dict[str, Any]:
    """Describes a split. Removes its written annotations if the export already holds the same."""
    archive, inside = part.source.place(part.match.root)
    images = f"{archive}/{inside}" if archive.is_file() else f"{archive}/"
    file = f"{name}.json"
    if part.changed or part.annotations is None:
        annotations = str(into / file)
    else:
        (written / file).unlink()
        holder = part.annotation_source or part.source
        annotations = "/".join(filter(None, map(str, holder.place(part.annotations))))
    return {
        "images": images.rstrip("/") if archive.is_file() else images,
        "annotations": annotations,
        "label": part.label,
    }


def _count_classes(parts: dict[str, Part]) -> list[dict[str, Any]]:
    counts = {name: {key: 0 for key, _ in part.classes} for name, part in parts.items()}
    for name, part in parts.items():
        for one in part.document["annotations"]:
            key = one.get("category_id")
            if key in counts[name]:
                counts[name][key] += 1
    return [
        {"name": label, **{name: counts[name].get(key, 0) for name in SPLITS}} for key, label in parts["train"].classes
    ]
