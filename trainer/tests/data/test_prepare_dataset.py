"""Tests the messages of `prepare-dataset` about user data, and the files that it leaves after crashes and errors."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from own_data import OwnData, annotate, draw, prepare_mini

from conftest import TRAINER, environment
from contract import check_answer
from everswin_trainer.data.dataset import find_prepared
from everswin_trainer.data.dataset_spec import DatasetSpec
from everswin_trainer.data.image_index import ImageIndex
from everswin_trainer.data.prepare_dataset import prepare
from everswin_trainer.demo import mini_coco

# A change to valid data and the message it causes; the first two training images are 1.jpg and 2.jpg.
Change = Callable[[OwnData], Any]


def first(own: OwnData) -> dict[str, Any]:
    return own.train["annotations"][0]


def turn(jpeg: bytes, orientation: int) -> bytes:
    """Returns the same image with an EXIF orientation."""
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation, 0, 0, 0]) + bytes(4)
    segment = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]


def put(name: str, content: bytes) -> Change:
    return lambda own: own.images.__setitem__(name, content)


PROBLEMS: dict[str, tuple[Change, str]] = {
    "a missing image": (
        lambda own: own.images.pop("train/2.jpg"),
        'train: listed, but not in images.zip/train: 1 image ("2.jpg")',
    ),
    "a file_name that leaves the folder": (
        lambda own: own.train["images"][0].update(file_name="../val/5.jpg"),
        'train: listed, but not in images.zip/train: 1 image ("../val/5.jpg")',
    ),
    "an image of another size": (
        put("train/1.jpg", draw(1, 44, 32)),
        'train: differs in size from its annotations: 1 image ("1.jpg": 44 x 32 instead of 40 x 32). '
        "Use the images that were annotated; boxes and masks do not fit a resized or cropped copy",
    ),
    "a rotated photo": (
        put("train/1.jpg", turn(draw(1), 6)),
        "train: is rotated on loading (EXIF orientation), but annotated without rotation: 1 image "
        '("1.jpg": 32 x 40 instead of 40 x 32). Remove the orientation from the files (exiftool -Orientation= FILES), '
        "and keep the annotations",
    ),
    "a text file named as an image": (
        put("train/1.jpg", b"no image"),
        'train: cannot be decoded: 1 image ("1.jpg"). Convert it to JPEG or PNG, or replace it',
    ),
    "a truncated image": (
        put("train/1.jpg", draw(1)[:-200]),
        'train: truncated, so that OpenCV cannot decode it: 1 image ("1.jpg"). Copy or download it again',
    ),
    "a truncated image behind its preview": (
        put("train/1.jpg", draw(1)[:2] + b"\xff\xe1\0\x06ab\xff\xd9" + draw(1)[2:-200]),
        'train: truncated, so that OpenCV cannot decode it: 1 image ("1.jpg"). Copy or download it again',
    ),
    "an empty image": (put("train/1.jpg", b""), 'train: is empty: 1 image ("1.jpg"). Copy or download it again'),
    "an image of JSON": (
        lambda own: (own.images.update({"train/1.json": b"{}"}), own.train["images"][0].update(file_name="1.json")),
        'train: is not an image: 1 image ("1.json")',
    ),
    "an image without size": (
        lambda own: own.train["images"][0].pop("width"),
        'train: has no width and height: 1 image ("1.jpg"). Write the size of the image in pixels',
    ),
    "an image larger than can be decoded": (
        lambda own: own.train["images"][0].update(width=100_000, height=100_000),
        'train: has more than 1073741824 pixels: 1 image ("1.jpg"). Cut the image into smaller ones',
    ),
    "an image without name": (
        lambda own: own.train["images"][0].pop("file_name"),
        "train: has no file_name: 1 image (id 1). Write the path of the image in its folder",
    ),
    "an image whose id is a text": (
        lambda own: own.train["images"].append({"id": "7a", "file_name": "7.jpg"}),
        'train: has an id that is not a whole number: 1 image (number 3 in the file: "7a")'
        '. Number the images from 1, and use these numbers as "image_id"',
    ),
    "two images of one id": (
        lambda own: own.train["images"][1].update(id=1),
        "train: duplicate id: 1 image (1). Give each image its own id",
    ),
    "two annotations of one id": (
        lambda own: own.train["annotations"].append(annotate(2, first(own)["id"])),
        "train: duplicate id: 1 annotation (id 10). Give each annotation its own id",
    ),
    "an annotation without id": (
        lambda own: first(own).pop("id"),
        "train: has no integer id: 1 annotation (id None). Number the annotations from 1",
    ),
    "an annotation of an unknown image": (
        lambda own: first(own).update(image_id=99),
        'train: refers to an image that is not listed: 1 annotation (id 10). List the image in "images"',
    ),
    "an annotation of an unknown class": (
        lambda own: first(own).update(category_id=1),
        'train: refers to an unknown category: 1 annotation (id 10). List the category in "categories"',
    ),
    "a missing box": (
        lambda own: first(own).pop("bbox"),
        'train: has no "bbox" of four numbers (x, y, width, height): 1 annotation (id 10)'
        ". Write each box as x, y, width, height in pixels",
    ),
    "a box of texts": (
        lambda own: first(own).update(bbox=["5 px", "5 px", "20 px", "15 px"]),
        'train: has no "bbox" of four numbers (x, y, width, height): 1 annotation (id 10)'
        ". Write each box as x, y, width, height in pixels",
    ),
    "an infinite box": (
        lambda own: first(own).update(bbox=[5, 5, float("inf"), 15]),
        'train: has no "bbox" of four numbers (x, y, width, height): 1 annotation (id 10)'
        ". Write each box as x, y, width, height in pixels",
    ),
    "an empty polygon": (
        lambda own: first(own).update(segmentation=[]),
        'train: has no "segmentation", which mask training needs: 1 annotation (id 10)'
        '. Add outlines, or set "masks": "from-boxes" in the run\'s input to use the boxes as masks',
    ),
    "a polygon of two points": (
        lambda own: first(own).update(segmentation=[[5, 5, 25, 5]]),
        "train: has a polygon with fewer than three points: 1 annotation (id 10). Remove the polygon",
    ),
    "a polygon that is no list of numbers": (
        lambda own: first(own).update(segmentation=[[5, 5, None, 5, 5, 5]]),
        'train: has a "segmentation" that is not a list of lists of numbers: 1 annotation (id 10)'
        ". Write [[x1, y1, x2, y2, x3, y3, …]], one list for each polygon",
    ),
    "a mask of another size": (
        lambda own: first(own).update(segmentation={"size": [40, 32], "counts": [1280]}),
        "train: has an RLE mask whose size is [width, height] instead of [height, width]: 1 annotation (id 10)"
        ". Write the height first, and check that the runs go down the columns",
    ),
    "a mask that does not add up": (
        lambda own: first(own).update(segmentation={"size": [32, 40], "counts": [1279]}),
        "train: has an RLE mask whose counts do not add up to its image: 1 annotation "
        "(id 10: 1279 instead of 1280 pixels)"
        ". Export the masks again",
    ),
    "a mask without counts": (
        lambda own: first(own).update(segmentation={"size": [32, 40]}),
        "train: has an RLE mask without counts: 1 annotation (id 10). Export the masks again",
    ),
    "a class without name": (
        lambda own: own.train["categories"][0].pop("name"),
        "train: has no integer id or no name: 1 category (number 1 in the file). "
        "Write a whole number as id and a text as name",
    ),
    "two classes of one id": (
        lambda own: own.train["categories"].append({"id": 3, "name": "washer"}),
        "train: duplicate id: 1 category (3). Give each category its own id",
    ),
    "two classes of one name": (
        lambda own: own.train["categories"].append({"id": 4, "name": "bolt"}),
        'train: duplicate name: 1 category ("bolt"). Give each category its own name',
    ),
    "splits with other classes": (
        lambda own: own.val["categories"].reverse(),
        "train and val: the classes differ, or their order does: [3 bolt, 8 nut] and [8 nut, 3 bolt]",
    ),
    "no images": (lambda own: own.train.update(images=[], annotations=[]), "train: the annotations list no images"),
    "no objects": (lambda own: own.val.update(annotations=[]), "val: no image has annotations"),
    "no list of annotations": (
        lambda own: own.val.pop("annotations"),
        'val: the annotations are not in COCO format: no list "annotations"',
    ),
    "an unexpected number of images": (
        lambda own: own.changes.update(splits=splits_of({"images": 3, "instances": 2})),
        "train: 2 images are listed, expected 3",
    ),
    "an unexpected number of instances": (
        lambda own: own.changes.update(splits=splits_of({"images": 2, "instances": 9})),
        "train: 2 instances are listed, expected 9",
    ),
    "an unexpected number of classes": (
        lambda own: own.changes.update(classes=80),
        "train: 2 classes are listed, expected 80",
    ),
}


def splits_of(counts: dict[str, int]) -> dict[str, Any]:
    return {
        name: {"images": f"images.zip/{name}", "annotations": f"{name}.json", "counts": counts}
        for name in ("train", "val")
    }


WARNINGS: dict[str, tuple[Change, str]] = {
    "a box outside": (
        lambda own: first(own).update(bbox=[50, 5, 20, 15]),
        "train: is outside its image: training ignores it: 1 annotation (id 10)",
    ),
    "a box beyond the border": (
        lambda own: first(own).update(bbox=[30, 5, 20, 15]),
        "train: extends beyond its image: 1 annotation (id 10)",
    ),
    "a degenerate box": (
        lambda own: first(own).update(bbox=[5, 5, 0, 15]),
        "train: is smaller than one pixel: training ignores it: 1 annotation (id 10)",
    ),
    "an object without area": (
        lambda own: first(own).update(area=0),
        "train: has no area: training ignores it: 1 annotation (id 10)",
    ),
    "a missing area": (
        lambda own: first(own).pop("area"),
        'train: has no "area": it is computed from the mask: 1 annotation (id 10)',
    ),
    "a missing iscrowd": (
        lambda own: first(own).pop("iscrowd"),
        'train: has no "iscrowd": it is read as 0, a single object: 1 annotation (id 10)',
    ),
    "an extra polygon of two points": (
        lambda own: first(own)["segmentation"].append([1, 1, 2, 2]),
        "train: has a polygon with fewer than three points: training ignores the polygon: 1 annotation (id 10)",
    ),
    "a class that has no annotations": (
        lambda own: own.train["annotations"].pop(),
        'train: has no annotations: 1 class ("nut")',
    ),
    "an image listed twice": (
        lambda own: own.train["images"].append({**own.train["images"][0], "id": 77}),
        'train: listed twice: 1 image ("1.jpg")',
    ),
    "an image in both splits": (
        put("val/5.jpg", draw(1)),
        'train and val: is in both splits: validation measures memorization: 1 image ("val/5.jpg")',
    ),
    "an image that EXIF mirrors": (
        put("train/1.jpg", turn(draw(1), 2)),
        'train: is flipped or rotated on loading (EXIF orientation): check its annotations: 1 image ("1.jpg"). They '
        "fit if the labeling tool showed the image as photo viewers do. If it showed the image as the file stores it, "
        "remove the orientation from the files (exiftool -Orientation= FILES)",
    ),
    "names that differ only in case": (
        lambda own: own.images.update({"notes/A.txt": b"1", "notes/a.TXT": b"2"}),
        'images.zip: names that differ only in case: 1 file ("notes/a.TXT")',
    ),
}


@pytest.mark.parametrize("title", PROBLEMS)
def test_a_problem_is_reported_in_one_line_and_leaves_no_files(tmp_path: Path, title: str) -> None:
    own = OwnData(tmp_path)
    change, line = PROBLEMS[title]
    change(own)
    answer = own.prepare()
    assert answer["ok"] is False
    assert line in answer["problems"]
    assert not own.into.exists()
    assert not list(tmp_path.glob(".*.partial"))


@pytest.mark.parametrize("title", WARNINGS)
def test_a_warning_does_not_refuse_the_data_set(tmp_path: Path, title: str) -> None:
    own = OwnData(tmp_path)
    change, line = WARNINGS[title]
    change(own)
    answer = own.prepare()
    assert (answer["ok"], answer["problems"]) == (True, [])
    assert line in answer["warnings"]
    assert json.loads((own.into / "dataset.json").read_text())["warnings"] == answer["warnings"]


def test_valid_data_have_no_problems_and_no_warnings(tmp_path: Path) -> None:
    answer = OwnData(tmp_path).prepare()
    assert (answer["ok"], answer["problems"], answer["warnings"]) == (True, [], [])
    assert (answer["images"], answer["instances"], answer["classes"]) == ({"train": 2, "val": 2},) * 2 + (2,)


@pytest.mark.parametrize("content", [b"", b"{", b'{"images": []', b"\xff\xfe[\0]\0", b"[" * 100_000])
def test_annotations_that_are_not_utf8_json_are_a_problem(tmp_path: Path, content: bytes) -> None:
    own = OwnData(tmp_path)
    spec = json.loads(own.write().read_text())
    (tmp_path / "val.json").write_bytes(content)
    spec["archives"]["val.json"]["bytes"] = len(content)
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    answer = command(tmp_path / "spec.json", own.into)
    assert answer["ok"] is False
    assert answer["problems"][0].startswith("val: the annotations are not JSON in UTF-8")


def test_repeated_problems_are_counted_with_the_first_five_examples(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    own.train["annotations"] += [annotate(1, 100 + n, category=55) for n in range(1000)]
    assert own.prepare()["problems"] == [
        "train: refers to an unknown category: 1000 annotations (id 100, id 101, id 102, id 103, id 104, …). "
        'List the category in "categories"'
    ]


@pytest.mark.parametrize("kind", [".png", ".webp", ".bmp", ".tiff"])
def test_other_image_formats_than_jpeg_are_accepted(tmp_path: Path, kind: str) -> None:
    own = OwnData(tmp_path)
    own.images[f"train/1{kind}"] = draw(1, kind=kind)
    own.train["images"][0]["file_name"] = f"1{kind}"
    assert own.prepare()["problems"] == []
    own.train["images"][0]["width"] = 41
    own.changes["contentKey"] = "9" * 64
    assert "40 x 32 instead of 41 x 32" in own.prepare()["problems"][0]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_rotated_photo_with_matching_annotations_is_accepted(tmp_path: Path, orientation: int) -> None:
    own = OwnData(tmp_path, changes={"decode": "all"})
    own.images["train/1.jpg"] = turn(draw(1), orientation)
    own.train["images"][0] |= {"width": 32, "height": 40}
    answer = own.prepare()
    assert (answer["problems"], answer["decoded"]) == ([], 4)


def test_packed_folders_of_own_data_are_prepared(tmp_path: Path) -> None:
    assert mini_coco.main(["--own", str(tmp_path / "own")]) == 0
    archives = {f"{split}.json": tmp_path / f"own/annotations/{split}.json" for split in ("train", "val")}
    for split in ("train", "val"):
        archives[f"{split}.zip"] = tmp_path / f"{split}.zip"
        packed = run("pack-folder", "--folder", tmp_path / "own" / split, "--archive", tmp_path / f"{split}.zip")
        assert packed["ok"], packed
    spec = {
        "v": 1,
        "contentKey": "e" * 64,
        "archives": {
            name: {"path": str(path), "sha256": "f" * 64, "bytes": path.stat().st_size, "files": None}
            for name, path in archives.items()
        },
        "splits": {name: {"images": f"{name}.zip", "annotations": f"{name}.json"} for name in ("train", "val")},
        "classes": None,
        "extract": False,
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    answer = command(tmp_path / "spec.json", tmp_path / "ready")
    assert (answer["problems"], answer["warnings"], answer["images"]) == ([], [], {"train": 96, "val": 24})
    manifest = json.loads((tmp_path / "ready/dataset.json").read_text())
    assert manifest["classes"] == ["disc", "tile", "wedge"]
    assert ImageIndex(tmp_path / "ready/val.index").find("line 1/part-000.jpeg") is not None


def test_the_command_imports_neither_torch_nor_mmdetection() -> None:
    program = "import sys; from everswin_trainer.data import pack_folder, prepare_dataset; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=TRAINER, capture_output=True, text=True, check=True)
    assert not {"torch", "mmengine", "mmdet", "numpy", "cv2"} & set(done.stdout.split())


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    assert mini_coco.main(["--out", str(folder)]) == 0
    return folder


def test_a_killed_preparation_leaves_no_folder_that_counts_as_prepared(archives: Path, tmp_path: Path) -> None:
    assert prepare_mini(archives, tmp_path / "whole", extract=True)["ok"]
    spec, into = tmp_path / "whole.spec.json", tmp_path / "ready"
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    partial = tmp_path / ".ready.partial"
    # Glob patterns of files whose appearance triggers the kill; each is tried twice.
    moments = ["", "val.json", "images", "images/train/*", "images/val/*", "*.index", "val.index"] * 2
    unfinished = 0
    for moment in moments:
        shutil.rmtree(partial, ignore_errors=True)
        child = subprocess.Popen(arguments("prepare-dataset", "--spec", spec, "--into", into), **quiet(tmp_path))
        while child.poll() is None and not (any(partial.glob(moment)) if moment else partial.exists()):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
        unfinished += not into.exists()
        if into.exists():
            # The kill came after the final rename.
            assert find_prepared(into, "c" * 64) is not None
            shutil.rmtree(into)
    assert unfinished >= len(moments) / 2
    assert command(spec, into)["ok"]
    assert {path.name: path.read_bytes() for path in into.rglob("*") if path.is_file()} == whole
    assert not list(tmp_path.glob(".*.partial"))


def test_an_interrupted_preparation_does_not_read_verified_archives_again(
    archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "archives"
    shutil.copytree(archives, copies)
    assert prepare_mini(copies, tmp_path / "whole")["ok"]
    spec, into = DatasetSpec.load(tmp_path / "whole.spec.json"), tmp_path / "ready"

    def fail(_: object) -> None:
        raise SystemExit("as on SIGTERM")

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("everswin_trainer.data.prepare_dataset._Preparation.write", fail)
        prepare(spec, into)
    journal = tmp_path / ".ready.scanned"
    with open(journal, "a") as stream:
        stream.write('{"torn')
    # Only a second reading would find this damage.
    [images] = [archive.path for name, archive in spec.archives.items() if name.endswith("train2017.zip")]
    with open(images, "r+b") as stream:
        stream.seek(200)
        stream.write(b"damage")
    assert prepare(spec, into)["ok"]
    assert not journal.exists()
    shutil.rmtree(into)
    assert "is refused" in prepare(spec, into)["problems"][0]
    assert not journal.exists()


def test_concurrent_preparations_of_one_folder_do_the_work_once(archives: Path, tmp_path: Path) -> None:
    assert prepare_mini(archives, tmp_path / "first")["ok"]
    spec, into = tmp_path / "first.spec.json", tmp_path / "ready"
    children = [
        subprocess.Popen(
            [*arguments("prepare-dataset", "--spec", spec, "--into", into)[:-1], str(tmp_path / f"{n}.answer")],
            **quiet(tmp_path),
        )
        for n in range(3)
    ]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    answers = [json.loads((tmp_path / f"{n}.answer").read_text()) for n in range(3)]
    assert sorted(answer["reused"] for answer in answers) == [False, True, True]
    assert all(answer["ok"] for answer in answers)


def test_an_io_error_fails_the_command_without_an_answer(archives: Path, tmp_path: Path) -> None:
    prepare_mini(archives, tmp_path / "first")
    spec = json.loads((tmp_path / "first.spec.json").read_text())
    spec["archives"]["val2017.zip"]["path"] = str(tmp_path / "gone.zip")
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    done = subprocess.run(
        arguments("prepare-dataset", "--spec", tmp_path / "spec.json", "--into", tmp_path / "ready"),
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.strip().startswith("FileNotFoundError: [Errno 2]")
    assert not (tmp_path / "answer.json").exists()
    assert not (tmp_path / "ready").exists()


def test_a_full_disk_is_reported_and_partial_files_are_removed(archives: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    small = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        'mount -t tmpfs -o size=300k tmpfs "$0" && "$@"; code=$?; ls -A "$0"; exit $code',
    ]
    if subprocess.run([*small, str(disk), "true"], capture_output=True).returncode != 0:
        pytest.skip("an ordinary user may not mount a disk here")
    prepare_mini(archives, tmp_path / "first", extract=True)
    spec = tmp_path / "first.spec.json"
    # Without decoding, the command fails before it would print its progress.
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "decode": 0}))
    line = arguments("prepare-dataset", "--spec", spec, "--into", disk / "ready")
    done = subprocess.run([*small, str(disk), *line], env=environment(), capture_output=True, text=True)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert done.stdout.split() == [".ready.lock"]


def arguments(name: str, *switches: Any) -> list[str]:
    """Returns the command line; the answer goes next to the first path."""
    out = Path(switches[1]).parent / "answer.json"
    return [sys.executable, "-m", "everswin_trainer", name, *map(str, switches), "--out", str(out)]


def quiet(folder: Path) -> dict[str, Any]:
    return {"cwd": folder, "env": environment(), "stdout": subprocess.DEVNULL}


def run(name: str, *switches: Any) -> dict[str, Any]:
    line = arguments(name, *switches)
    subprocess.run(line, env=environment(), check=True, capture_output=True)
    return check_answer(name, Path(line[-1]))


def command(spec: Path, into: Path) -> dict[str, Any]:
    return run("prepare-dataset", "--spec", spec, "--into", into)


def test_skip_bad_images_leaves_out_as_many_as_the_limit_allows(tmp_path: Path) -> None:
    own = OwnData(tmp_path, changes={"skipBadImages": 1, "extract": True})
    own.images["train/1.jpg"] = draw(1)[:-200]
    answer = own.prepare()
    assert (answer["problems"], answer["images"], answer["instances"]) == (
        [],
        {"train": 1, "val": 2},
        {"train": 1, "val": 2},
    )
    assert answer["warnings"] == [
        'train: left out "1.jpg", as skipBadImages allows: truncated, so that OpenCV cannot decode it',
    ]
    document = json.loads((own.into / "train.json").read_text())
    assert [image["file_name"] for image in document["images"]] == ["2.jpg"]
    assert [annotation["image_id"] for annotation in document["annotations"]] == [2]
    manifest = json.loads((own.into / "dataset.json").read_text())
    assert [manifest["splits"]["train"][name] for name in ("images", "annotated", "instances")] == [1, 1, 1]
    index = ImageIndex(own.into / "train.index")
    assert (index.find("train/1.jpg"), index.find("train/2.jpg")) == (None, 0)
    assert [path.name for path in (own.into / "images/train").iterdir()] == ["2.jpg"]
    assert find_prepared(own.into, "a" * 64) == manifest


def test_skip_bad_images_counts_the_faults_of_single_images_in_both_splits(tmp_path: Path) -> None:
    own = OwnData(tmp_path, changes={"skipBadImages": 2})
    own.images |= {"train/1.jpg": turn(draw(1), 6), "val/5.jpg": draw(5, 64, 48)}
    del own.images["val/6.jpg"]
    assert own.prepare()["problems"][-1] == (
        "train and val: 3 of 4 images cannot be used, more than the limit of skipBadImages (2). Fix the images, or "
        "raise the limit if training without them is intended"
    )
    own.images["val/6.jpg"] = draw(6)
    assert own.prepare()["problems"] == []


def test_skip_bad_images_does_not_excuse_faults_of_the_data_set(tmp_path: Path) -> None:
    own = OwnData(tmp_path, changes={"skipBadImages": 9})
    own.images["train/1.jpg"] = b""
    first(own).update(category_id=1)
    assert "train: refers to an unknown category" in own.prepare()["problems"][0]


def test_skip_bad_images_leaves_out_images_by_name(tmp_path: Path) -> None:
    own = OwnData(tmp_path, changes={"skipBadImages": ["1.jpg", "6.jpg"]})
    own.images["train/1.jpg"] = b""
    answer = own.prepare()
    assert (answer["problems"], answer["images"]) == ([], {"train": 1, "val": 1})
    assert answer["warnings"] == [
        'train: left out "1.jpg", as skipBadImages allows: is empty',
        'val: left out "6.jpg", as skipBadImages allows: named there; no fault was found',
    ]


def test_skip_bad_images_refuses_other_bad_images_and_unknown_names(tmp_path: Path) -> None:
    own = OwnData(tmp_path, changes={"skipBadImages": ["1.jpg", "7.jpg"]})
    own.images |= {"train/1.jpg": b"", "train/2.jpg": b""}
    problems = own.prepare()["problems"]
    assert problems == [
        'skipBadImages: neither split lists an image of this name: 1 name ("7.jpg"). Write each name as file_name of '
        "the annotations does",
        'train: is empty: 1 image ("2.jpg"). Copy or download it again',
        "train and val: 1 of 4 images cannot be used. Fix them, or add their names to skipBadImages to train "
        "without them",
    ]


def test_skip_bad_images_refuses_a_split_that_loses_all_annotated_images(tmp_path: Path) -> None:
    own = OwnData(tmp_path, changes={"skipBadImages": 5})
    own.images |= {"val/5.jpg": b"", "val/6.jpg": b""}
    assert own.prepare()["problems"] == ["val: no image with annotations remains: skipBadImages leaves out too many"]


def test_usable_images_are_counted_again_without_those_that_are_left_out(tmp_path: Path) -> None:
    own = OwnData(tmp_path, changes={"skipBadImages": 1})
    own.images["train/1.jpg"] = b""
    answer = own.prepare()
    assert (answer["usableImages"], answer["usableObjects"]) == ({"train": 1, "val": 2},) * 2
    own.train["annotations"][1]["iscrowd"] = 1
    own.changes["contentKey"] = "9" * 64
    assert own.prepare()["problems"] == [
        'train: 0 of 1 training images are usable: 1 has only crowd objects ("iscrowd": 1). '
        'Write "iscrowd": 0 for single objects'
    ]


def test_one_bad_image_ends_the_preparation_by_default_and_the_message_names_the_option(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    own.images["train/1.jpg"] = b""
    assert own.prepare()["problems"][-1] == (
        'train and val: 1 of 4 images cannot be used. Fix them, or set "skipBadImages": 1 in the run file to train '
        "without them"
    )


def test_images_that_are_missing_by_a_prefix_get_the_remedy(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    for image in own.train["images"]:
        image["file_name"] = f"train/{image['file_name']}"
    problems = own.prepare()["problems"]
    assert problems[-1] == (
        'train: all 2 missing images would match with "images": "images.zip" (file_name is "train/1.jpg", the file '
        '"1.jpg"). Set "images" of train to "images.zip"'
    )


def test_all_images_of_a_small_data_set_are_decoded(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    table = own.images["train/1.jpg"].index(b"\xff\xc4")
    # The header stays valid; only a decoder notices the damaged table.
    own.images["train/1.jpg"] = own.images["train/1.jpg"][: table + 5] + b"\xff" * 16 + draw(1)[table + 21 :]
    assert own.prepare()["problems"][0] == (
        'train: damaged, so that OpenCV cannot decode it: 1 image ("1.jpg"). Copy or download it again'
    )
    own.changes["decode"] = 0
    assert own.prepare()["problems"] == []
