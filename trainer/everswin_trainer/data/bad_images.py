"""Decides about images that training cannot use: each ends the run, unless the input allows leaving it out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from everswin_trainer.data.annotation_text import dump, parse
from everswin_trainer.data.check_annotations import Annotations, check_file
from everswin_trainer.data.findings import Findings, format_count
from everswin_trainer.data.zip_directory import quote
from everswin_trainer.system.atomic_file import write_atomic

# More unusable images have a common cause, which leaving them out would hide.
FEW_IMAGES = 0.1


class Fault(NamedTuple):
    """Why training cannot use an image. `example` describes it in a list of examples."""

    file_name: str
    problem: str
    example: str
    remedy: str = ""


@dataclass
class Decision:
    """`left_out` maps a split to the images to leave out and the reason for each."""

    left_out: dict[str, dict[str, str]]
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def decide(faults: dict[str, list[Fault]], listed: dict[str, list[str]], skip: int | frozenset[str]) -> Decision:
    """Decides about the faults of each split. `listed` holds the file names of all images of a split."""
    left_out: dict[str, dict[str, str]] = {split: {} for split in faults}
    decision = Decision(left_out)
    total = len({(split, fault.file_name) for split, found in faults.items() for fault in found})
    for split, found in faults.items():
        for fault in found:
            if total <= skip if isinstance(skip, int) else fault.file_name in skip:
                left_out[split].setdefault(fault.file_name, _join(fault))
    if not isinstance(skip, int):
        _leave_out_named(decision, listed, skip)
    for split, found in faults.items():
        remaining = Findings(split)
        for fault in found:
            if fault.file_name not in left_out[split]:
                remaining.add(fault.problem, "image", fault.example, fault.remedy)
        decision.problems += remaining.lines()
        for name, why in left_out[split].items():
            decision.warnings.append(f"{split}: left out {quote(name)}, as skipBadImages allows: {why}")
    count = total - sum(fault.file_name in left_out[split] for split, found in faults.items() for fault in found)
    if count > 0:
        decision.problems += _advise(count, sum(len(names) for names in listed.values()), skip)
    return decision


def _join(fault: Fault) -> str:
    name = quote(fault.file_name)
    detail = fault.example.removeprefix(name).removeprefix(": ")
    return f"{fault.problem} ({detail})" if detail else fault.problem


def _leave_out_named(decision: Decision, listed: dict[str, list[str]], named: frozenset[str]) -> None:
    for split, names in listed.items():
        for name in names:
            if name in named:
                decision.left_out[split].setdefault(name, "named there; no fault was found")
    unknown = Findings("skipBadImages")
    for name in sorted(named.difference(*listed.values())):
        unknown.add(
            "neither split lists an image of this name",
            "name",
            quote(name),
            "Write each name as file_name of the annotations does",
        )
    decision.problems += unknown.lines()


def _advise(count: int, listed: int, skip: int | frozenset[str]) -> list[str]:
    subject = f"train and val: {count} of {format_count(listed, 'image')} cannot be used"
    if isinstance(skip, int) and skip > 0:
        return [
            f"{subject}, more than the limit of skipBadImages ({skip}). Fix the images, or raise the limit if training "
            "without them is intended"
        ]
    if count > max(1, listed * FEW_IMAGES):
        return []
    option = "add their names to skipBadImages" if skip else f'set "skipBadImages": {count} in the run file'
    return [f"{subject}. Fix them, or {option} to train without them"]


def leave_out(annotations: Annotations, path: Path, names: dict[str, str]) -> Annotations:
    """Rewrites a split's annotations without some images. Returns their summary; raises OSError."""
    # Imported here: the command's own process needs no NumPy unless it leaves out images.
    from everswin_trainer.data.sample_file import write_samples

    document = parse(path.read_bytes().decode()).document
    kept = [image for image in document["images"] if image["file_name"] not in names]
    ids = {image["id"] for image in kept}
    objects = [one for one in document["annotations"] if one["image_id"] in ids]
    content = dump({**document, "images": kept, "annotations": objects})
    with write_atomic(path) as stream:
        stream.write(content)
    del document, kept, objects, content
    # The masks that were made from boxes are in the file, so their number stays that of all images.
    rest = check_file(path, path.stem, masks_from_boxes=False)
    if not rest.problems:
        write_samples(path, rest.layout)
    annotations.images, annotations.instances, annotations.annotated = rest.images, rest.instances, rest.annotated
    annotations.usable_images, annotations.usable_objects = rest.usable_images, rest.usable_objects
    annotations.problems = rest.problems
    return annotations
