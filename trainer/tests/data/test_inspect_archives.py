import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hostile_zips import Member, build
from own_data import OwnData, draw
from zips import zip_of

from contract import check, check_answer
from everswin_trainer.data import inspect_archives
from everswin_trainer.data.dataset_spec import DatasetSpec
from everswin_trainer.data.prepare_dataset import prepare

IMAGES = {"train/1.jpg": draw(1), "val/2.jpg": draw(2)}
ARCHIVE = zip_of(IMAGES)
SEVEN_ZIP, RAR = b"7z\xbc\xaf\x27\x1c" + bytes(100), b"Rar!\x1a\x07\x01\0" + bytes(100)
NO_DIRECTORY = "is refused: it has no central directory at the end: "
UNPACK = "Unpack it and give the folder instead, or pack its files as a zip archive"


def tar_of(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in IMAGES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def encrypted() -> bytes:
    return build([Member(b"train/1.jpg", draw(1), local={"flags": 1}, listed={"flags": 1})])


def of_method(number: int) -> bytes:
    return build([Member(b"train/1.jpg", draw(1), local={"method": number}, listed={"method": number})])


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "tar": (tar_of("w"), f"{NO_DIRECTORY}it is a tar archive. {UNPACK}"),
    "tar.gz": (tar_of("w:gz"), f"{NO_DIRECTORY}it is a gzip file (.gz or .tar.gz). {UNPACK}"),
    "tar.xz": (tar_of("w:xz"), f"{NO_DIRECTORY}it is an xz file (.xz or .tar.xz). {UNPACK}"),
    "tar.bz2": (tar_of("w:bz2"), f"{NO_DIRECTORY}it is a bzip2 file (.bz2 or .tar.bz2). {UNPACK}"),
    "7z": (SEVEN_ZIP, f"{NO_DIRECTORY}it is a 7z archive. {UNPACK}"),
    "RAR": (RAR, f"{NO_DIRECTORY}it is a RAR archive. {UNPACK}"),
    "HTML": (
        b"\n<!DOCTYPE html><html><body>Please log in</body></html>",
        f"{NO_DIRECTORY}it is an HTML page, such as a login or error page. Copy or download it again",
    ),
    "XML": (
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        f"{NO_DIRECTORY}it is an XML document, such as an error message of a server. Copy or download it again",
    ),
    "JSON": (
        b'{"images": [], "categories": []}',
        f"{NO_DIRECTORY}it is a JSON document. Give a zip archive or a folder",
    ),
    "JPEG": (draw(1), f"{NO_DIRECTORY}it is a JPEG image. Give a zip archive or a folder"),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        f"{NO_DIRECTORY}it is a Git LFS pointer instead of the content. Run `git lfs pull`, and try again",
    ),
    "truncated": (
        ARCHIVE[:-200],
        f"{NO_DIRECTORY}the zip archive is truncated, or other data follows it. Copy or download it again",
    ),
    "short": (b"", "is refused: it has 0 bytes, too few for a zip archive. Copy or download it again"),
    "encrypted": (encrypted(), 'is refused: entry "train/1.jpg" is encrypted. Pack the files again without a password'),
    "Deflate64": (of_method(9), "unsupported method (9): Deflate64. Pack the files again with the method Deflate or"),
    "bzip2": (of_method(12), "unsupported method (12): bzip2. Pack the files again"),
    "a method without name": (of_method(77), "unsupported method (77). Pack the files again"),
    "backslashes": (
        build([Member(b"train\\1.jpg", draw(1))]),
        "has a backslash in its name. Pack the files again as one zip archive, or give their folder instead",
    ),
    "another folder": (
        zip_of({"data/train/1.jpg": draw(1), "data/val/2.jpg": draw(2)}),
        'is refused: it holds no folder "train". It holds the folders "data/train", "data/val"',
    ),
    "no folders": (zip_of({"1.jpg": draw(1)}), 'it holds no folders. Name the archive without "/train"'),
}
ANNOTATIONS: dict[str, tuple[bytes, str]] = {
    "gzip": (b"\x1f\x8b\x08", "the file is a gzip file (.gz or .tar.gz). Unpack it"),
    "zip": (ARCHIVE, "the file is a zip archive. Write the path of the JSON file in it after its name"),
    "HTML": (b"<html>", "the file is an HTML page, such as a login or error page. Download the file again"),
    "XML": (b"<?xml ?><annotation>", "the file is an XML document"),
    "JPEG": (draw(1), "the file is a JPEG image. Give a COCO JSON file"),
}


def make_split(images: str, annotations: str) -> dict[str, Any]:
    return {"images": images, "annotations": annotations, "counts": None}


def inspect(folder: Path, archive: bytes = ARCHIVE, annotations: bytes = b"[]", **changes: Any) -> list[str]:
    (folder / "images.zip").write_bytes(archive)
    (folder / "train.json").write_bytes(annotations)
    splits = {name: make_split(f"images.zip/{name}", "train.json") for name in ("train", "val")}
    files = {name: str(folder / name) for name in ("images.zip", "train.json")}
    spec = {"v": 1, "files": files, "splits": splits, **changes}
    check("archives-spec", spec)
    (folder / "spec.json").write_text(json.dumps(spec))
    out = folder / "answer.json"
    assert inspect_archives.main(["--spec", str(folder / "spec.json"), "--out", str(out)]) == 0
    return check_answer("inspect-archives", out)["problems"]


@pytest.mark.parametrize("title", ARCHIVES)
def test_inspect_archives_names_the_kind_of_a_wrong_archive(tmp_path: Path, title: str) -> None:
    content, reason = ARCHIVES[title]
    problem = inspect(tmp_path, content)[0]
    assert problem.startswith("images.zip ")
    assert reason in problem


@pytest.mark.parametrize("title", ANNOTATIONS)
def test_wrong_annotations_are_named_by_the_dry_run_and_the_preparation(tmp_path: Path, title: str) -> None:
    content, reason = ANNOTATIONS[title]
    (problem,) = inspect(tmp_path, annotations=content)
    assert problem.startswith(f"train.json ({tmp_path}/train.json) holds no annotations: {reason}")
    own = OwnData(tmp_path)
    spec = json.loads(own.write().read_text())
    (tmp_path / "train.json").write_bytes(content)
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    answer = prepare(DatasetSpec.load(tmp_path / "spec.json"), own.into)
    assert answer["problems"][0].startswith(f"train: the annotations are not JSON in UTF-8: {reason}")


def test_inspect_archives_accepts_valid_files_and_ignores_files_elsewhere(tmp_path: Path) -> None:
    assert inspect(tmp_path) == []
    assert inspect(tmp_path, files={}) == []


def test_a_missing_member_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    archive = zip_of({**IMAGES, "annotations/train.json": b"{}", "annotations/val.json": b"{}"})
    splits = {name: make_split("images.zip", f"images.zip/{name}.json") for name in ("train", "val")}
    assert inspect(tmp_path, archive, splits=splits)[0] == (
        'images.zip is refused: it holds no "train.json". It holds the JSON files "annotations/train.json", '
        '"annotations/val.json"'
    )


def test_annotations_that_are_named_as_images_are_refused(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    own.changes["splits"] = {name: make_split("train.json", f"{name}.json") for name in ("train", "val")}
    assert own.prepare()["problems"] == [
        f"train.json {NO_DIRECTORY}it is a JSON document. Give a zip archive or a folder",
    ]
