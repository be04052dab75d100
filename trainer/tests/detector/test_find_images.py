"""Tests which images a user's arguments name."""

import zipfile
from pathlib import Path

import pytest

from everswin_trainer.detector.find_images import find_images
from everswin_trainer.detector.predict import picture_path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("b/1.jpg", "a/1.jpg", "a/deep/2.PNG", "a/.hidden/3.jpg", "a/.4.jpg", "a/notes.txt", "a/x[1].jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        for name in ("in/5.jpg", "__MACOSX/in/._5.jpg", "in/list.csv", "../6.jpg"):
            archive.writestr(name, name)
    return tmp_path


def names(*sources: Path | str) -> list[str]:
    images, problems = find_images([str(source) for source in sources])
    assert not problems
    return [image.name for image in images]


def test_find_images_accepts_files_folders_patterns_and_archives(photos: Path) -> None:
    assert names(photos / "a") == ["1.jpg", "x[1].jpg", "deep/2.PNG"]
    assert names(photos / "a/x[1].jpg") == ["x[1].jpg"]
    assert names(photos / "a/*") == ["1.jpg", "2.PNG", "x[1].jpg"]
    assert len(names(f"{photos}/**/[12].*")) == 3
    images, _ = find_images([str(photos / "more.zip")])
    assert [(image.name, image.read()) for image in images] == [("../6.jpg", b"../6.jpg"), ("in/5.jpg", b"in/5.jpg")]
    # A file without an image suffix is tried if it is named itself.
    assert names(photos / "a/notes.txt") == ["notes.txt"]


def test_find_images_names_each_image_once_and_uniquely(photos: Path) -> None:
    assert names(photos / "a/1.jpg", photos / "a/1.jpg", photos / "a/../a/1.jpg") == ["1.jpg"]
    found = names(photos / "a/1.jpg", photos / "b/1.jpg")
    assert len(set(found)) == 2 and all(name.endswith("/1.jpg") for name in found)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("missing.jpg", "does not exist"),
        ("*.bmp", "matches no image"),
        ("https://example.org/1.jpg", "is an address; download it and name the file"),
        ("empty", "holds no image (.jpg"),
        ("link.jpg", "is a link to a missing file"),
        ("broken.zip", "cannot be read: File is not a zip file"),
    ],
)
def test_find_images_explains_a_source_without_images(
    source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link.jpg").symlink_to("nowhere")
    (tmp_path / "broken.zip").write_text("no archive")
    images, [(named, explained)] = find_images([source])
    assert (images, named) == ([], source)
    assert explained.startswith(reason)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.jpg", "pictures/a.jpg"),
        ("a.png", "pictures/a.png.jpg"),
        ("../../etc/a.JPEG", "pictures/etc/a.JPEG"),
        ("/abs\\b.jpg", "pictures/abs/b.jpg"),
        ("taken.jpg", "pictures/taken-2.jpg"),
    ],
)
def test_picture_path_stays_in_its_folder_and_is_unique(name: str, path: str) -> None:
    assert picture_path(name, {"pictures/taken.jpg"}) == path
