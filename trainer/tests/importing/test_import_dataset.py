"""Imports what real programs exported (tests/exports) and layouts that differ from them in one respect."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import cv2
import pytest
from exports.make_exports import CLASSES, box_of
from exports.make_exports import drawn as drawings
from pycocotools import mask as coco_mask

from contract import check
from everswin_trainer.importing.find_parts import Request
from everswin_trainer.importing.import_dataset import import_dataset
from everswin_trainer.importing.source import CannotImport

EXPORTS = Path(__file__).parents[1] / "exports"
# Objects of both classes in the ten images.
TOTALS = {"bolt": 7, "nut": 13}


def run(tmp_path: Path, source: Path, **options: Any) -> dict[str, Any]:
    answer = import_dataset(Request(source=source, **options), tmp_path / "out")
    check("import-dataset", answer)
    return answer


def unpack(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / "unpacked"
    zipfile.ZipFile(EXPORTS / f"{name}.zip").extractall(folder)
    return folder


def refusal(tmp_path: Path, source: Path, **options: Any) -> str:
    with pytest.raises(CannotImport) as refused:
        run(tmp_path, source, **options)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "format_name", "train", "val"),
    [
        ("coco-datumaro", "COCO", 8, 2),
        ("coco-supervision", "COCO", 6, 2),
        ("coco-labelme2coco", "COCO", 8, 2),
        ("coco-sahi", "COCO", 8, 2),
        ("coco-label-studio", "COCO", 8, 2),
        ("voc-datumaro", "Pascal VOC", 8, 2),
        ("yolo-supervision", "YOLO", 7, 3),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_an_export_is_recognized_and_can_be_trained_on(
    tmp_path: Path, name: str, format_name: str, train: int, val: int, packed: bool
) -> None:
    source = EXPORTS / f"{name}.zip" if packed else unpack(tmp_path, name)
    answer = run(tmp_path, source)
    assert answer["ok"], answer["problems"]
    assert answer["format"] == format_name
    assert [answer["splits"][split]["imageCount"] for split in ("train", "val")] == [train, val]
    counts = {one["name"]: one["train"] + one["val"] for one in answer["classes"]}
    if train + val == 10:
        assert counts == TOTALS
    assert cv2.imread(answer["preview"]).shape[1] >= 1200
    for split in answer["splits"].values():
        assert split["images"].startswith(str(source))
        _compare_with_drawing(_read(split["annotations"]), name)


def test_the_preview_shows_class_names_in_any_script(tmp_path: Path) -> None:
    def preview(name: str) -> bytes:
        source = unpack(tmp_path / name, "coco-datumaro")
        for file in source.rglob("instances_*.json"):
            document = json.loads(file.read_text())
            document["categories"][0]["name"] = name
            file.write_text(json.dumps(document))
        return Path(run(tmp_path / name, source)["preview"]).read_bytes()

    assert preview("Ø8") != preview("Å8")


def _read(location: str) -> dict[str, Any]:
    archive, _, inside = location.partition(".zip/")
    return json.loads(zipfile.ZipFile(f"{archive}.zip").read(inside) if inside else Path(location).read_bytes())


def _compare_with_drawing(document: dict[str, Any], name: str) -> None:
    """Compares class and box of every object with what was drawn; masks end within the last pixel or after it."""
    names = {one["id"]: one["name"] for one in document["categories"]}
    for image in document["images"]:
        number = int(image["file_name"].replace("_", " ").rpartition("part ")[2][:2])
        drawn = [(CLASSES[kind], *box_of(outline)) for kind, outline in drawings()[number][1]]
        found = [one for one in document["annotations"] if one["image_id"] == image["id"]]
        for one, (label, left, top, right, bottom) in zip(
            sorted(found, key=lambda one: one["bbox"][0]), sorted(drawn, key=lambda one: one[1]), strict=True
        ):
            assert names[one["category_id"]] == label
            assert one["bbox"] == pytest.approx([left, top, right - left, bottom - top], abs=1.01)
            assert _mask_box(one["segmentation"], image) == pytest.approx(one["bbox"], abs=2), name


def _mask_box(segmentation: Any, image: dict[str, Any]) -> list[float]:
    if isinstance(segmentation, list):
        segmentation = coco_mask.frPyObjects(segmentation, image["height"], image["width"])[0]
    return coco_mask.toBbox(segmentation).tolist()


def test_a_split_of_many_images_does_not_move_them_when_others_are_added(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-sahi")
    _add_images(source, 0, 200)
    run(tmp_path, source)
    before = {name: _file_names(tmp_path / "out" / f"{name}.json") for name in ("train", "val")}
    _add_images(source, 200, 230)
    answer = run(tmp_path, source)
    assert answer["ok"]
    after = {name: _file_names(tmp_path / "out" / f"{name}.json") for name in ("train", "val")}
    assert before["train"] <= after["train"] and before["val"] <= after["val"]


def _add_images(source: Path, first: int, last: int) -> None:
    document = json.loads((source / "coco.json").read_text())
    for number in range(first, last):
        shutil.copy(source / "part 01.jpg", source / f"new {number}.jpg")
        document["images"].append({"id": 100 + number, "file_name": f"new {number}.jpg", "width": 64, "height": 48})
    (source / "coco.json").write_text(json.dumps(document))


def test_a_class_that_val_lacks_is_named(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-sahi")
    document = json.loads((source / "coco.json").read_text())
    document["categories"].append({"id": 90, "name": "washer"})
    document["annotations"][0]["category_id"] = 90
    (source / "coco.json").write_text(json.dumps(document))
    assert any('val has no object of the class "washer"' in note for note in run(tmp_path, source)["notes"])


def _file_names(path: Path) -> set[str]:
    return {one["file_name"] for one in json.loads(path.read_text())["images"]}


def test_names_of_images_are_matched_however_they_are_written(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-sahi")
    document = json.loads((source / "coco.json").read_text())
    ways = ["C:\\data\\{}", "./{}", "/home/a/{}", "images/{}", "../x/{}", "/data/upload/3/1a2b3c4d-{}", "{}"]
    for image, way in zip(document["images"], ways, strict=False):
        image["file_name"] = way.format(image["file_name"])
    document["images"][7]["file_name"] = "part%2007.jpg"
    document["images"][8]["file_name"] = "PART 08.JPEG"
    (source / "coco.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(document).encode())
    answer = run(tmp_path, source)
    assert answer["ok"], answer["problems"]
    assert sum(split["imageCount"] for split in answer["splits"].values()) == 10


def test_images_of_the_same_name_are_matched_to_the_annotations_next_to_them(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-datumaro")
    for split in ("train", "val"):
        path = source / "annotations" / f"instances_{split}.json"
        document = json.loads(path.read_text())
        for number, image in enumerate(document["images"]):
            (source / "images" / split / image["file_name"]).rename(source / "images" / split / f"{number}.jpg")
            image["file_name"] = f"{number}.jpg"
        path.write_text(json.dumps(document))
    answer = run(tmp_path, source)
    assert [answer["splits"][split]["images"] for split in ("train", "val")] == [
        f"{source}/images/train/",
        f"{source}/images/val/",
    ]


def test_a_zip_file_next_to_its_unpacked_folder_counts_once(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-datumaro")
    shutil.copy(EXPORTS / "coco-datumaro.zip", source)
    answer = run(tmp_path, source)
    assert answer["splits"]["train"]["images"] == f"{source}/images/train/"
    assert any("instances_train.json is left out: it has the same content" in note for note in answer["notes"])


def test_images_in_a_zip_file_next_to_the_annotations_are_found(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-sahi")
    with zipfile.ZipFile(source / "photos.zip", "w") as archive:
        for path in source.glob("*.jpg"):
            archive.write(path, f"all/{path.name}")
            path.unlink()
    answer = run(tmp_path, source)
    assert answer["splits"]["train"]["images"] == f"{source}/photos.zip/all"


def test_val_can_be_other_data_whose_classes_have_another_order(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-datumaro")
    path = source / "annotations" / "instances_val.json"
    document = json.loads(path.read_text())
    document["categories"] = [{"id": 5, "name": "nut"}, {"id": 9, "name": "bolt"}]
    for one in document["annotations"]:
        one["category_id"] = {1: 9, 2: 5}[one["category_id"]]
    path.write_text(json.dumps(document))
    answer = run(tmp_path, source)
    assert answer["classes"] == [{"name": "bolt", "train": 5, "val": 2}, {"name": "nut", "train": 11, "val": 2}]
    other = run(tmp_path, EXPORTS / "coco-sahi.zip", val=str(EXPORTS / "coco-label-studio.zip"))
    assert other["splits"]["val"]["imageCount"] == 10


def test_several_candidates_are_listed_with_the_way_to_choose(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-sahi")
    (source / "old.json").write_bytes((source / "coco.json").read_bytes() + b"\n")
    message = refusal(tmp_path, source)
    assert "coco.json: 10 images, 20 objects, 2 classes" in message and "--annotations FILE" in message
    assert run(tmp_path, source, annotations="old.json")["ok"]
    assert run(tmp_path, source, val="old.json")["splits"]["train"]["label"] == "coco.json"
    assert "Its JSON files: coco.json, old.json" in refusal(tmp_path, source, annotations="gone.json")


def test_boxes_without_outlines_need_a_request(tmp_path: Path) -> None:
    source = unpack(tmp_path, "yolo-supervision")
    for path in source.rglob("labels/*.txt"):
        path.write_text("0 0.5 0.5 0.2 0.2\n")
    assert "10 of 10 objects have a box but no outline" in refusal(tmp_path, source)
    assert "--masks from-boxes" in refusal(tmp_path, source)


def test_brush_masks_that_are_marked_as_crowd_need_a_request(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-sahi")
    document = json.loads((source / "coco.json").read_text())
    for one in document["annotations"]:
        one["iscrowd"] = 1
    (source / "coco.json").write_text(json.dumps(document))
    assert "20 of 20 objects are marked as crowd" in refusal(tmp_path, source)
    assert run(tmp_path, source, crowd="as-objects")["ok"]


def test_ids_and_records_of_other_kinds_are_accepted_or_named(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-sahi")
    document = json.loads((source / "coco.json").read_text())
    for one in document["annotations"]:
        one |= {"id": "1", "image_id": float(one["image_id"])}
    document["annotations"].append({**document["annotations"][0], "image_id": 999})
    (source / "coco.json").write_text(json.dumps(document))
    answer = run(tmp_path, source)
    assert sum(split["objectCount"] for split in answer["splits"].values()) == 20
    assert "coco.json: 1 of 21 objects name no listed image and are left out" in answer["notes"]
    for one in [*document["images"], *document["annotations"]]:
        key = "image_id" if "image_id" in one else "id"
        one[key] = f"uuid-{int(one[key])}"
    (source / "coco.json").write_text(json.dumps(document))
    assert run(tmp_path, source)["splits"]["train"]["objectCount"] == answer["splits"]["train"]["objectCount"]
    document["images"].append(None)
    (source / "coco.json").write_text(json.dumps(document))
    assert "entry 11 of 'images' is null, not an object" in refusal(tmp_path, source)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("7 0.1 0.1 0.2 0.2 0.3 0.3", "expected a class from 0 to 1, which have names, got '7'"),
        ("0 0.1 0.1 0.2", "expected a box (4 numbers) or an outline"),
        ("0 10 10 20 20 30 30", "expected coordinates from 0 to 1"),
        ("0 a b c d e f", "expected numbers"),
    ],
)
def test_a_wrong_line_of_yolo_is_named(tmp_path: Path, line: str, message: str) -> None:
    source = unpack(tmp_path, "yolo-supervision")
    (source / "train" / "labels" / "part 03.txt").write_text(f"\n{line}\n")
    assert f"train/labels/part 03.txt, line 2: {message}" in refusal(tmp_path, source)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.json": '{"shapes": [], "imagePath": "a.jpg"}'}, "a.json is labelme: convert it with labelme2coco"),
        ({"a.json": '[{"id": 1, "data": {"image": "x"}}]'}, "task list of Label Studio"),
        ({"a.json": '{"images": [], "annotations": []}'}, 'no list "categories"'),
        ({"a.json": '{"images": [], "categories": ['}, "not valid JSON"),
        ({"a.xml": "<annotations><version>1.1</version></annotations>"}, "CVAT for images"),
        ({"a.tfrecord": ""}, "TFRecord"),
        ({"a.jpg": ""}, "It holds 1 file (1 .jpg)"),
        ({}, "It holds no files"),
    ],
)
def test_a_format_that_is_not_read_is_named(tmp_path: Path, files: dict[str, str], message: str) -> None:
    (tmp_path / "source").mkdir()
    for name, content in files.items():
        (tmp_path / "source" / name).write_text(content)
    assert message in refusal(tmp_path, tmp_path / "source")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("one.json", '{"shapes": [], "imagePath": "a.jpg"}', "one.json is labelme: convert it with labelme2coco"),
        ("photo.jpg", "text", "photo.jpg cannot be read: it is not a zip archive"),
    ],
)
def test_a_single_file_that_is_not_read_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / name).write_text(content)
    assert message in refusal(tmp_path, tmp_path / "source" / name)


def test_missing_images_are_left_out_if_they_are_few_and_refused_otherwise(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-sahi")
    (source / "part 03.jpg").unlink()
    answer = run(tmp_path, source)
    assert "coco.json: 1 listed image is not there: part 03.jpg" in answer["notes"]
    (source / "part 04.jpg").unlink()
    assert "2 of them are not there" in refusal(tmp_path, source)


def test_problems_of_the_data_are_those_of_a_run_and_nothing_is_written(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-sahi")
    document = json.loads((source / "coco.json").read_text())
    for image in document["images"]:
        image["width"] = 50
    (source / "coco.json").write_text(json.dumps(document))
    answer = run(tmp_path, source)
    assert not answer["ok"] and any("differs in size" in one for one in answer["problems"])
    assert not (tmp_path / "out").exists()


def test_bad_images_are_left_out_up_to_a_limit(tmp_path: Path) -> None:
    source = unpack(tmp_path, "coco-sahi")
    (source / "part 03.jpg").write_bytes((source / "part 03.jpg").read_bytes()[:300])
    answer = run(tmp_path, source)
    assert not answer["ok"] and "--skip-bad-images" in answer["problems"][-1]
    answer = run(tmp_path, source, skip_bad_images=1)
    assert answer["ok"]
    assert sum(one["imageCount"] for one in answer["splits"].values()) == 9
    objects = sum(one["objectCount"] for one in answer["splits"].values())
    assert objects == sum(one["train"] + one["val"] for one in answer["classes"]) < sum(TOTALS.values())
    # The run leaves them out, so the annotations still list them.
    assert sum(len(_file_names(tmp_path / "out" / f"{name}.json")) for name in ("train", "val")) == 10


@pytest.mark.parametrize(
    ("ids", "why"),
    [([99, 99], "1 repeated"), ([None, None], "2 missing"), (["a", 2.5], "2 not a whole number")],
)
def test_the_reason_for_new_annotation_ids_is_named(tmp_path: Path, ids: list[Any], why: str) -> None:
    source = unpack(tmp_path, "coco-sahi")
    document = json.loads((source / "coco.json").read_text())
    for one, key in zip(document["annotations"], ids, strict=False):
        one["id"] = key
    (source / "coco.json").write_text(json.dumps(document))
    notes = run(tmp_path, source)["notes"]
    assert f"coco.json: all annotations get new ids, because some ids cannot be used: {why}" in notes


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "export.zip").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(600))
    assert "export.zip cannot be read: it is a 7z archive" in refusal(tmp_path, tmp_path / "export.zip")
    (tmp_path / "cut.zip").write_bytes((EXPORTS / "coco-sahi.zip").read_bytes()[:3000])
    assert "truncated" in refusal(tmp_path, tmp_path / "cut.zip")


def test_a_folder_of_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").touch()
    assert "thesis.doc" in refusal(tmp_path, EXPORTS / "coco-sahi.zip")
