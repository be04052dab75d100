"""Regenerates the data sets of this folder with the programs that users export from.

    for NAME in coco-datumaro voc-datumaro coco-supervision yolo-supervision coco-labelme2coco coco-sahi \
        coco-label-studio; do uv run --no-project --with PACKAGE==VERSION python make_exports.py NAME; done

EXPORTERS holds package and version of each. The zip files are committed, so that no test installs these packages. The
annotations are what the packages wrote, byte for byte. All of them describe the same ten drawn images, except that
Pascal VOC and YOLO have no ids.
"""

import json
import random
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

HERE = Path(__file__).parent
WIDTH, HEIGHT = 64, 48
CLASSES = ("bolt", "nut")
EXPORTERS = {
    "coco-datumaro": "datumaro==1.13.12",
    "voc-datumaro": "datumaro==1.13.12",
    "coco-supervision": "supervision==0.31.2",
    "yolo-supervision": "supervision==0.31.2",
    "coco-labelme2coco": "labelme2coco==0.2.6",
    "coco-sahi": "sahi==0.12.8",
    "coco-label-studio": "label-studio-sdk==2.1.2",
}


def drawn() -> list[tuple[str, list[tuple[int, list[tuple[int, int]]]]]]:
    """Returns (file name, [(class, outline)]) of every image: two shapes each, left and right."""
    source = random.Random(17)
    images = []
    for number in range(10):
        objects = []
        for half in (0, 32):
            x, y, size = half + source.randrange(1, 8), source.randrange(1, 22), source.randrange(14, 22)
            bolt = [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]
            nut = [(x + size // 2, y), (x + size, y + size), (x, y + size)]
            kind = source.randrange(2)
            objects.append((kind, (bolt, nut)[kind]))
        images.append((f"part {number:02d}.jpg", objects))
    return images


def save_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, objects) in enumerate(drawn()):
        canvas = Image.new("RGB", (WIDTH, HEIGHT), (90 + number, 100, 110))
        for kind, outline in objects:
            ImageDraw.Draw(canvas).polygon(outline, fill=((200, 60, 40), (40, 180, 80))[kind])
        canvas.save(folder / name, quality=60)


def box_of(outline: list[tuple[int, int]]) -> list[int]:
    xs, ys = zip(*outline, strict=True)
    return [min(xs), min(ys), max(xs), max(ys)]


def mask_of(outline: list[tuple[int, int]]) -> np.ndarray:
    mask = Image.new("1", (WIDTH, HEIGHT))
    ImageDraw.Draw(mask).polygon(outline, fill=1)
    return np.array(mask)


def datumaro_dataset(folder: Path, masks: bool = False):
    """Returns the data set with polygons in two subsets, or with boxes and masks in one."""
    from datumaro.components.annotation import AnnotationType, Bbox, LabelCategories, Mask, Polygon
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image as Media

    save_images(folder / "raw")
    items = []
    for number, (name, objects) in enumerate(drawn()):
        annotations = []
        for index, (kind, outline) in enumerate(objects, 1):
            if masks:
                left, top, right, bottom = box_of(outline)
                annotations += [
                    Bbox(left, top, right - left, bottom - top, label=kind, id=index, group=index),
                    Mask(mask_of(outline), label=kind, id=index, group=index),
                ]
            else:
                points = [value for point in outline for value in point]
                annotations.append(Polygon(points, label=kind, id=index, group=index))
        subset = "default" if masks else "val" if number % 5 == 0 else "train"
        media = Media.from_file(path=str(folder / "raw" / name))
        items.append(DatasetItem(name.removesuffix(".jpg"), subset=subset, media=media, annotations=annotations))
    categories = {AnnotationType.label: LabelCategories.from_iterable(CLASSES)}
    return Dataset.from_iterable(items, categories=categories)


def coco_datumaro(folder: Path, into: Path) -> None:
    datumaro_dataset(folder).export(str(into), "coco_instances", save_media=True)


def voc_datumaro(folder: Path, into: Path) -> None:
    datumaro_dataset(folder, masks=True).export(str(into), "voc", save_media=True)


def supervision_dataset(folder: Path):
    import supervision

    save_images(folder / "raw")
    paths, annotations = [], {}
    for name, objects in drawn():
        path = str(folder / "raw" / name)
        paths.append(path)
        annotations[path] = supervision.Detections(
            xyxy=np.array([box_of(outline) for _, outline in objects], float),
            mask=np.array([mask_of(outline) for _, outline in objects]),
            class_id=np.array([kind for kind, _ in objects]),
        )
    return supervision.DetectionDataset(classes=list(CLASSES), images=paths, annotations=annotations)


def coco_supervision(folder: Path, into: Path) -> None:
    """Uses the folders of a Roboflow export, where this package is at home."""
    train, rest = supervision_dataset(folder).split(0.6, random_state=1, shuffle=True)
    valid, test = rest.split(0.5, random_state=1, shuffle=True)
    for name, part in {"train": train, "valid": valid, "test": test}.items():
        part.as_coco(str(into / name), str(into / name / "_annotations.coco.json"))


def yolo_supervision(folder: Path, into: Path) -> None:
    train, val = supervision_dataset(folder).split(0.7, random_state=1, shuffle=True)
    for name, part in {"train": train, "valid": val}.items():
        part.as_yolo(str(into / name / "images"), str(into / name / "labels"), str(into / "data.yaml"))


def coco_labelme2coco(folder: Path, into: Path) -> None:
    """File names in the result carry the folder of the labelme files."""
    import labelme2coco

    source = Path("labels")
    save_images(source)
    for name, objects in drawn():
        shapes = [
            {"label": CLASSES[kind], "points": outline, "group_id": None, "shape_type": "polygon", "flags": {}}
            for kind, outline in objects
        ]
        document = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None}
        document |= {"imageHeight": HEIGHT, "imageWidth": WIDTH}
        (source / name).with_suffix(".json").write_text(json.dumps(document))
    labelme2coco.convert(str(source), str(into))
    shutil.copytree(source, into / "labels")


def coco_sahi(folder: Path, into: Path) -> None:
    from sahi.utils.coco import Coco, CocoAnnotation, CocoCategory, CocoImage
    from sahi.utils.file import save_json

    save_images(into)
    coco = Coco()
    for number, name in enumerate(CLASSES):
        coco.add_category(CocoCategory(id=number, name=name))
    for name, objects in drawn():
        image = CocoImage(file_name=name, height=HEIGHT, width=WIDTH)
        for kind, outline in objects:
            flat = [value for point in outline for value in point]
            image.add_annotation(CocoAnnotation(segmentation=[flat], category_id=kind, category_name=CLASSES[kind]))
        coco.add_image(image)
    save_json(coco.json, str(into / "coco.json"))


def coco_label_studio(folder: Path, into: Path) -> None:
    """Names of uploaded files start with a hash, as Label Studio stores them."""
    from label_studio_sdk.converter import Converter

    config = """<View><Image name="image" value="$image"/><PolygonLabels name="label" toName="image">
      <Label value="bolt"/><Label value="nut"/></PolygonLabels></View>"""
    uploads = folder / "upload" / "1"
    save_images(uploads)
    tasks = []
    for number, (name, objects) in enumerate(drawn()):
        stored = f"{number:08x}-{name.replace(' ', '_')}"
        (uploads / name).rename(uploads / stored)
        results = [
            {
                "id": f"{number}-{index}",
                "type": "polygonlabels",
                "from_name": "label",
                "to_name": "image",
                "original_width": WIDTH,
                "original_height": HEIGHT,
                "image_rotation": 0,
                "value": {
                    "points": [[x * 100 / WIDTH, y * 100 / HEIGHT] for x, y in outline],
                    "polygonlabels": [CLASSES[kind]],
                },
            }
            for index, (kind, outline) in enumerate(objects)
        ]
        tasks.append(
            {
                "id": number,
                "data": {"image": f"/data/upload/1/{stored}"},
                "annotations": [
                    {
                        "id": number,
                        "result": results,
                        "was_cancelled": False,
                        "completed_by": {"id": 1, "email": "a@example.org"},
                    }
                ],
            }
        )
    (folder / "tasks.json").write_text(json.dumps(tasks))
    converter = Converter(config, str(folder), upload_dir=str(folder / "upload"))
    converter.convert_to_coco(str(folder / "tasks.json"), str(into), is_dir=False)


def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        into = Path(temporary) / "export"
        (Path(temporary) / "work").mkdir()
        globals()[name.replace("-", "_")](Path(temporary) / "work", into)
        with zipfile.ZipFile(HERE / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(into.rglob("*")):
                if path.is_file():
                    entry = zipfile.ZipInfo(path.relative_to(into).as_posix(), (2026, 1, 1, 0, 0, 0))
                    entry.external_attr = 0o644 << 16
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    main(sys.argv[1])
