"""Finds the data of an import and divides them into train and val."""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from everswin_trainer.importing.coco import explain_foreign, explain_json, find_coco, keep_images, match_part, read_coco
from everswin_trainer.importing.match_images import ImageFiles
from everswin_trainer.importing.part import Part, find_role
from everswin_trainer.importing.source import CannotImport, Source
from everswin_trainer.importing.split import group_key, split_groups
from everswin_trainer.importing.voc import find_voc
from everswin_trainer.importing.yolo import find_yolo

DEFAULT_SHARE = 0.2


@dataclass(frozen=True)
class Request:
    """What to import. `val` is a share of the images, such as 0.2, or the path of other data."""

    source: Path
    annotations: str | None = None
    images: Path | None = None
    val: str | None = None
    group_by: str = "none"
    seed: int = 0
    masks: str | None = None
    crowd: str | None = None
    skip_bad_images: int = 0


@dataclass
class Found:
    """The parts `train` and `val`, the format's name, and `notes` about what was decided, changed or left out."""

    format: str
    parts: dict[str, Part]
    notes: list[str] = field(default_factory=list)


def find_parts(request: Request, ignored: Path | None = None) -> Found:
    """Finds train and val. The folder `ignored` is no part of the data. Raises CannotImport."""
    share, val_path = _parse_val(request.val)
    name, parts = _read(request.source, request, ignored)
    notes: list[str] = []
    if val_path is None:
        chosen = _choose(parts, notes)
        if share is not None and "val" in chosen:
            raise CannotImport(f"--val {request.val}: the data already have a part for validation. Omit --val.")
        train, val = chosen["train"], chosen.get("val")
    else:
        val = _read_val(val_path, request)
        others = [part for part in parts if (part.label, part.source.path) != (val.label, val.source.path)]
        train = _only(others or parts, "train")
    given = [train, val] if val else [train]
    _drop_placeholder(given, notes)
    _require_outlines(given, request.masks)
    _check_crowd(given, request.crowd, notes)
    for part in given:
        _renumber(part)
    if val is None:
        train, val = _divide(train, share or DEFAULT_SHARE, request, notes)
    else:
        _unify_classes(train, val, notes)
    for part in {id(one): one for one in (train, val)}.values():
        notes += [f"{part.label}: {note}" for note in part.notes if f"{part.label}: {note}" not in notes]
    return Found(name, {"train": train, "val": val}, notes)


def _read_val(path: Path, request: Request) -> Part:
    """Reads the part that --val names: a file of the same source, or other data."""
    source = request.source.parent if request.source.suffix.lower() == ".json" else request.source
    if path.suffix.lower() == ".json" and not path.is_absolute():
        same = Source(source)
        if path.as_posix().removeprefix("./") in same.names:
            _, parts = _read(source, replace(request, annotations=path.as_posix()))
            return parts[0]
    if not path.exists() and (source / path).exists():
        path = source / path
    _, parts = _read(path, Request(source=path, images=request.images))
    return _only(parts, "val")


def _parse_val(text: str | None) -> tuple[float | None, Path | None]:
    if text is None:
        return None, None
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None, Path(text)
    if not 0 < share < 1:
        raise CannotImport(f"--val {text}: expected a share between 0 and 1, such as 0.2, or a path.")
    return share, None


def _read(path: Path, request: Request, ignored: Path | None = None) -> tuple[str, list[Part]]:
    """Returns the format and all parts of a source, with their images matched. Raises CannotImport."""
    annotations = request.annotations
    if path.is_file() and path.suffix.lower() == ".json":
        path, annotations = path.parent, path.name
    source = Source(path, ignored)
    images = Source(request.images) if request.images else source
    parts = find_coco(source) if annotations is None else [_named_part(source, annotations)]
    if parts:
        files = ImageFiles(images.names)
        parts = parts if len(parts) == 1 else _prefer_instances(parts)
        for part in parts:
            part.source = images
            match_part(part, files)
        return "COCO", parts
    for format_name, find in (("Pascal VOC", find_voc), ("YOLO", find_yolo)):
        parts = find(source)
        if parts:
            return format_name, parts
    raise CannotImport(
        f"{path} holds no annotations in COCO, YOLO or Pascal VOC format.{explain_foreign(source)} "
        f"It holds {_summarize(source.names)}."
    )


def _named_part(source: Source, annotations: str) -> Part:
    path = Path(annotations)
    names = [annotations.removeprefix("./"), annotations.removeprefix(f"{source.path}/")]
    name = next((one for one in names if one in source.names), None)
    if name is None and path.is_file():
        source, name = Source(path.parent), path.name
    if name is None:
        found = [one for one in source.names if one.lower().endswith(".json")]
        raise CannotImport(
            f"--annotations {annotations}: {source.path} holds no such file. Its JSON files: "
            f"{', '.join(found[:8]) or 'none'}."
        )
    content = source.read(name)
    document = read_coco(content)
    if document is None:
        other = explain_json(content) or "not in COCO format: expected lists of images, annotations and categories"
        raise CannotImport(f"{name} is {other}.")
    return Part(find_role(name), name, document, source, name, annotation_source=source)


def _prefer_instances(parts: list[Part]) -> list[Part]:
    """Leaves out what describes the same images in another way, such as COCO's key points."""
    instances = [part for part in parts if part.label.rpartition("/")[2].startswith("instances")]
    roles = {part.role for part in instances}
    return [part for part in parts if part in instances or part.role not in roles]


def _choose(parts: list[Part], notes: list[str]) -> dict[str, Part]:
    """Returns train, and val if there is one. Raises CannotImport if the choice is not plain."""
    by_role: dict[str, list[Part]] = {}
    for part in parts:
        by_role.setdefault(part.role, []).append(part)
    if "train" in by_role and "" in by_role:
        notes += [f"{part.label} is left out: other files hold train and val" for part in by_role.pop("")]
    if len(parts) == 1:
        return {"train": parts[0]}
    if any(len(same) > 1 for same in by_role.values()) or "train" not in by_role:
        raise CannotImport(
            f"{len(parts)} files could be the annotations:\n{_list(parts)}\n"
            "Choose one with --annotations FILE, and another one for validation with --val FILE."
        )
    chosen = {role: same[0] for role, same in by_role.items() if role in ("train", "val")}
    if "test" in by_role:
        test = by_role["test"][0]
        use = "" if "val" in chosen else f"; --val {test.label} would use it for validation"
        notes.append(f"{test.label} is left out: the run does not need a separate test part{use}")
    return chosen


def _only(parts: list[Part], role: str) -> Part:
    named = [part for part in parts if part.role == role]
    if len(named) == 1:
        return named[0]
    if len(parts) == 1:
        return parts[0]
    raise CannotImport(f"{len(parts)} files could be the annotations of {role}:\n{_list(parts)}\nName one of them.")


def _list(parts: list[Part]) -> str:
    return "\n".join(f"  {part.label}: {part.count()}" for part in parts)


def _summarize(names: list[str]) -> str:
    counts: dict[str, int] = {}
    for name in names:
        ending = Path(name).suffix.lower() or "no ending"
        counts[ending] = counts.get(ending, 0) + 1
    most = sorted(counts.items(), key=lambda one: -one[1])[:5]
    listed = ", ".join(f"{count} {ending}" for ending, count in most)
    return f"{len(names)} file{'s' if len(names) > 1 else ''} ({listed})" if names else "no files"


def _drop_placeholder(parts: list[Part], notes: list[str]) -> None:
    """Removes the class that Roboflow adds as the parent of all others; it never has objects."""
    first = parts[0].document["categories"]
    others = [one for one in first if one.get("id") != 0]
    placeholder = next((one for one in first if one.get("id") == 0), None)
    if placeholder is None or not others:
        return
    if any(one.get("supercategory") != placeholder.get("name") for one in others):
        return
    if any(one.get("category_id") == 0 for part in parts for one in part.document["annotations"]):
        return
    for part in parts:
        part.document["categories"] = [one for one in part.document["categories"] if one.get("id") != 0]
        part.changed = True
    notes.append(f'class "{placeholder.get("name")}" is left out: it is only the parent of the others')


def _require_outlines(parts: list[Part], masks: str | None) -> None:
    objects = [one for part in parts for one in part.document["annotations"]]
    without = sum(not one.get("segmentation") for one in objects)
    if without and masks is None:
        raise CannotImport(
            f"{without} of {len(objects)} objects have a box but no outline, and the models learn masks. "
            "Annotate outlines, or add --masks from-boxes to use each box as its mask."
        )


def _check_crowd(parts: list[Part], crowd: str | None, notes: list[str]) -> None:
    """Turns crowd regions into single objects on request. Raises CannotImport if nothing else is there to learn."""
    objects = [one for part in parts for one in part.document["annotations"]]
    marked = [one for one in objects if one.get("iscrowd") not in (None, 0, False, "0")]
    if not marked:
        return
    count = f"{len(marked)} of {len(objects)} objects are marked as crowd (iscrowd 1)"
    if crowd == "as-objects":
        for one in marked:
            one["iscrowd"] = 0
        for part in parts:
            part.changed = True
        notes.append(f"{count} and become single objects")
        return
    hint = "CVAT and Datumaro mark brush masks so; --crowd as-objects makes them single objects"
    if len(marked) == len(objects):
        raise CannotImport(f"{count}, which training ignores. {hint}.")
    notes.append(f"{count}, which training ignores. {hint}")


def _renumber(part: Part) -> None:
    """Gives new ids to annotations whose ids repeat or are no numbers. Only the annotations themselves use them."""
    objects = part.document["annotations"]
    ids = [one.get("id") for one in objects]
    reasons = {
        "missing": sum(one is None for one in ids),
        "not a whole number": sum(one is not None and type(one) is not int for one in ids),
        "repeated": len(ids) - len(set(ids)) - max(0, ids.count(None) - 1),
    }
    if not any(reasons.values()):
        return
    for number, one in enumerate(objects, 1):
        one["id"] = number
    part.changed = True
    found = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    part.notes.append(f"all annotations get new ids, because some ids cannot be used: {found}")


def _unify_classes(train: Part, val: Part, notes: list[str]) -> None:
    """Gives val the classes of train, by name: training numbers them in the order of the file."""
    if train.classes == val.classes:
        return
    ids: dict[str, Any] = {name: key for key, name in train.classes}
    new = [one for one in val.document["categories"] if str(one.get("name")) not in ids]
    for one in new:
        key = max((key for key in ids.values() if isinstance(key, int)), default=0) + 1
        ids[str(one.get("name"))] = key
        train.document["categories"] = [*train.document["categories"], {**one, "id": key}]
        train.changed = True
    names = dict(val.classes)
    for one in val.document["annotations"]:
        if one.get("category_id") in names:
            one["category_id"] = ids[names[one["category_id"]]]
    val.document["categories"] = train.document["categories"]
    val.changed = True
    notes.append("val: its classes have other ids or another order than those of train, and get those of train")


def _explain_split(images: int, groups: int) -> str:
    if images < 2:
        return "there is only one image. Add images, or name other data with --val PATH."
    if groups < 2:
        return "all images are in one group. Choose another --group-by, or name other data with --val PATH."
    return "every class must stay in train. Add images, or name other data with --val PATH."


def _divide(part: Part, share: float, request: Request, notes: list[str]) -> tuple[Part, Part]:
    """Returns train and val of one set."""
    try:
        key_of = group_key(request.group_by)
    except ValueError as error:
        raise CannotImport(f"--group-by: {error}") from error
    images = part.document["images"]
    groups = {one.get("id"): key_of(str(one.get("file_name"))) for one in images}
    classes: dict[str, set[Any]] = {}
    for one in part.document["annotations"]:
        group = groups.get(one.get("image_id"))
        if group is not None:
            classes.setdefault(group, set()).add(one.get("category_id"))
    sizes = Counter(groups[one.get("id")] for one in images)
    val_groups = split_groups(sizes, classes, share, request.seed)
    if not val_groups:
        raise CannotImport(
            f"{part.label}: no images are left for validation: {_explain_split(len(images), len(sizes))}"
        )
    divided = []
    for role in ("train", "val"):
        one = Part(role, part.label, part.document, part.source, part.annotations, part.annotation_source, part.match)
        keep_images(one, lambda image, role=role: (groups[image.get("id")] in val_groups) == (role == "val"))
        divided.append(one)
    divided[0].notes = part.notes
    by = "" if request.group_by == "none" else f", grouped by {request.group_by} ({len(sizes)} groups)"
    counts = [len(one.document["images"]) for one in divided]
    far = abs(counts[1] / sum(counts) - share) > 0.1
    notes.append(
        f"split into {counts[0]} for train and {counts[1]} for val of {sum(counts)} images by the hash of their names, "
        f"seed {request.seed}{by}{'; another --seed may come closer to the share' if far else ''}"
    )
    lost = set().union(*classes.values()) - set().union(*(classes.get(group, set()) for group in val_groups))
    absent = [f'"{name}"' for key, name in part.classes if key in lost]
    if absent:
        listed = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
        noun = "class" if len(absent) == 1 else "classes"
        notes.append(
            f"val has no object of the {noun} {listed}, so nothing measures how well training learns "
            f"{'it' if len(absent) == 1 else 'them'}; add images, or try another --seed"
        )
    return divided[0], divided[1]
