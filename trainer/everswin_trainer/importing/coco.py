"""Finds annotations in COCO format among the files of a source, by their content, and repairs what is plain."""

import hashlib
import json
import re
from typing import Any

from everswin_trainer.importing.match_images import ImageFiles
from everswin_trainer.importing.part import Part, find_role
from everswin_trainer.importing.source import CannotImport, Source

# What other JSON files are, by a key at their top level.
FOREIGN = {
    "shapes": "labelme: convert it with labelme2coco",
    "_via_img_metadata": "VGG Image Annotator: export it as COCO",
    "datasetItems": "Datumaro: export it as coco_instances",
    "items": "Datumaro: export it as coco_instances",
}
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
ID_FIELDS = {"categories": ("id",), "images": ("id",), "annotations": ("id", "image_id", "category_id")}


def find_coco(source: Source) -> list[Part]:
    """Returns every file in COCO format that lists images and classes, without images matched.

    Of files with equal content, such as those of a zip file and of its unpacked folder, one that is not zipped counts.
    """
    parts: dict[bytes, Part] = {}
    for name in sorted(source.names, key=lambda one: ".zip/" in one.lower()):
        if not name.lower().endswith(".json"):
            continue
        content = source.read(name)
        digest = hashlib.sha256(content).digest()
        if digest in parts:
            parts[digest].notes.append(f"{name} is left out: it has the same content")
        elif (document := read_coco(content)) is not None:
            parts[digest] = Part(find_role(name), name, document, source, name, annotation_source=source)
    return list(parts.values())


def read_coco(content: bytes) -> dict[str, Any] | None:
    """Returns a document in COCO format, or None for any other content."""
    # A data set may hold a JSON file for every image; parsing all of them would take minutes.
    if not all(key in content for key in (b'"images"', b'"categories"')) and not _is_wide(content):
        return None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        return None
    if not isinstance(document.get("categories"), list) or not isinstance(document.get("annotations", []), list):
        return None
    if any("segments_info" in one for one in document.get("annotations", [])[:1] if isinstance(one, dict)):
        return None
    document.setdefault("annotations", [])
    return document


def _is_wide(content: bytes) -> bool:
    """Returns whether the text is in UTF-16 or UTF-32."""
    return b"\0" in content[:4] or content[:2] in (b"\xff\xfe", b"\xfe\xff")


def explain_foreign(source: Source) -> str:
    """Returns a sentence about files of formats that are recognized but not read; "" for none."""
    for name in source.names:
        lower = name.lower()
        if "SegmentationObject/" in name or "SegmentationClass/" in name:
            return f" {name} is a picture of masks, but the XML files in Annotations are missing: export them as well."
        if lower.endswith(".json"):
            found = explain_json(source.read(name))
        elif lower.endswith(".xml"):
            head = source.read(name)[:2000]
            found = "CVAT for images: export it again as COCO 1.0" if b"<annotations" in head else ""
        elif lower.endswith((".tfrecord", ".record")):
            found = "TFRecord: export it again in COCO format"
        else:
            found = "an archive: unpack it" if lower.endswith(ARCHIVES) else ""
        if found:
            return f" {name} is {found}."
    return ""


def explain_json(content: bytes) -> str:
    """Returns what JSON of a format that is not read is, and what to do; "" for any other content."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        return f"not valid JSON: {error}"
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return "a task list of Label Studio: export it again as COCO" if "data" in document[0] else ""
    if not isinstance(document, dict):
        return ""
    if "images" in document and "annotations" in document:
        return 'like COCO, but has no list "categories": export it with its classes, as instances'
    return next((text for key, text in FOREIGN.items() if key in document), "")


def normalize_ids(part: Part) -> None:
    """Turns ids written as text or with a decimal point into whole numbers. Raises CannotImport for other content."""
    changed = False
    for kind, fields in ID_FIELDS.items():
        for number, one in enumerate(part.document[kind], 1):
            if not isinstance(one, dict):
                raise CannotImport(
                    f"{part.label}: entry {number} of {kind!r} is {json.dumps(one)[:40]}, not an object."
                )
            for field in fields:
                value = one.get(field)
                plain = _plain_id(value)
                if isinstance(plain, (list, dict)):
                    raise CannotImport(
                        f"{part.label}: entry {number} of {kind!r} has {str(plain)[:40]} as its {field}."
                    )
                if type(plain) is not type(value):
                    one[field], changed = plain, True
    if changed:
        part.changed = True
        part.notes.append("ids written as text or with a decimal point become whole numbers")
    _number(part, "images", "image_id")
    _number(part, "categories", "category_id")


def _number(part: Part, kind: str, reference: str) -> None:
    """Numbers images or categories whose ids are names, such as UUIDs. Ids that repeat are left to the check."""
    ids = [one.get("id") for one in part.document[kind]]
    if len(set(ids)) < len(ids) or all(type(one) is int for one in ids) or None in ids:
        return
    numbers = {one: number for number, one in enumerate(ids, 1)}
    for one in part.document[kind]:
        one["id"] = numbers[one["id"]]
    for one in part.document["annotations"]:
        # An unknown reference stays unknown.
        one[reference] = numbers.get(one.get(reference), 0)
    part.changed = True
    part.notes.append(f"ids of {kind} are no numbers, so the {kind} get new ones")


def _plain_id(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}(\.0+)?", value.strip()):
        return int(value.strip().split(".")[0])
    return value


def match_part(part: Part, files: ImageFiles) -> None:
    """Finds the images of a part. Lists those without a file, which are left out.

    Raises CannotImport if more than a tenth of them have none.
    """
    normalize_ids(part)
    document = part.document
    known = {one.get("id") for one in document["images"]}
    orphans = sum(one.get("image_id") not in known for one in document["annotations"])
    if orphans:
        part.notes.append(f"{orphans} of {len(document['annotations'])} objects name no listed image and are left out")
        keep_images(part, lambda _: True)
        document = part.document
    images = [one for one in document["images"] if isinstance(one.get("file_name"), str)]
    listed = [one["file_name"] for one in images]
    part.match = files.match(listed, part.annotations or part.label)
    missing = set(part.match.missing)
    if len(missing) * 10 > len(set(listed)) or (listed and not part.match.found):
        examples = ", ".join(sorted(missing)[:3]) + (", …" if len(missing) > 3 else "")
        packed = [name for name in part.source.names if name.lower().endswith(ARCHIVES)]
        hint = f" {packed[0]} is an archive inside: unpack it." if packed else ""
        raise CannotImport(
            f"{part.label} lists {len(listed)} images, and {len(missing)} of them are not there ({examples}).{hint} "
            "Export the data with their images, or name the folder of the images with --images."
        )
    if missing:
        left = {one.get("id") for one in images if one["file_name"] in missing}
        keep_images(part, lambda one: one.get("id") not in left)
        noun = "image is" if len(missing) == 1 else "images are"
        part.notes.append(f"{len(missing)} listed {noun} not there: {', '.join(sorted(missing)[:5])}")
    if part.match.renamed:
        part.changed = True
        for one in document["images"]:
            one["file_name"] = part.match.found.get(str(one.get("file_name")), one.get("file_name"))


def keep_images(part: Part, keeps: Any) -> None:
    """Removes all other images and their annotations."""
    document = part.document
    images = [one for one in document["images"] if keeps(one)]
    kept = {one.get("id") for one in images}
    part.document = {
        **document,
        "images": images,
        "annotations": [one for one in document["annotations"] if one.get("image_id") in kept],
    }
    part.changed = True
