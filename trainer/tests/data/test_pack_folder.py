import os
import zipfile
from pathlib import Path

import pytest
from own_data import draw

from everswin_trainer.data import pack_folder
from everswin_trainer.data.zip_directory import STORED, read_central_directory
from everswin_trainer.data.zip_entry import open_entry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    for name in ("b.jpg", "a.jpg", "deep/er/c d.jpg", "ünïcode.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(draw(len(name)))
    (root / ".DS_Store").write_bytes(b"left out")
    return root


def test_pack_writes_the_same_bytes_for_the_same_files(folder: Path, tmp_path: Path) -> None:
    first = pack_folder.pack(folder, tmp_path / "first.zip")
    again = tmp_path / "again"
    for path in sorted((path for path in folder.rglob("*") if path.is_file()), reverse=True):
        copy = again / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        os.utime(copy, (1e9, 1e9))
        copy.chmod(0o600)
    second = pack_folder.pack(again, tmp_path / "second.zip")
    assert {**first, "problems": []} == {**second, "problems": []}
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_pack_writes_an_archive_that_zipfile_can_read(folder: Path, tmp_path: Path) -> None:
    answer = pack_folder.pack(folder, tmp_path / "made.zip")
    names = ["a.jpg", "b.jpg", "deep/er/c d.jpg", "ünïcode.png"]
    assert (answer["ok"], answer["files"], answer["bytes"]) == (True, 4, (tmp_path / "made.zip").stat().st_size)
    with zipfile.ZipFile(tmp_path / "made.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == names
        assert [archive.read(name) for name in names] == [(folder / name).read_bytes() for name in names]
    descriptor = os.open(tmp_path / "made.zip", os.O_RDONLY)
    entries = read_central_directory(descriptor)
    os.close(descriptor)
    assert [(entry.name, entry.method) for entry in entries] == [(name, STORED) for name in names]


@pytest.mark.parametrize(("begin", "files"), [(0, 66_000), (5 << 30, 3)])
def test_zip64_archives_of_zipfile_are_readable(tmp_path: Path, begin: int, files: int) -> None:
    with open(tmp_path / "large.zip", "wb") as stream:
        # Leaves a hole, so that offsets exceed 32 bits without writing gigabytes.
        stream.seek(begin)
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for number in range(files):
                archive.writestr(f"{number}", b"content")
    descriptor = os.open(tmp_path / "large.zip", os.O_RDONLY)
    entries = read_central_directory(descriptor)
    assert (len(entries), entries[0].offset) == (files, begin)
    assert b"".join(open_entry(descriptor, entries[-1])[1]) == b"content"
    os.close(descriptor)


def test_a_link_inside_the_folder_is_packed_as_its_target(folder: Path, tmp_path: Path) -> None:
    (folder / "link.jpg").symlink_to("deep/er/c d.jpg")
    assert pack_folder.pack(folder, tmp_path / "made.zip")["ok"]
    with zipfile.ZipFile(tmp_path / "made.zip") as archive:
        assert archive.read("link.jpg") == (folder / "deep/er/c d.jpg").read_bytes()


@pytest.mark.parametrize(
    ("name", "make", "why"),
    [
        ("out.jpg", lambda path: path.symlink_to("/etc/hostname"), "is a link that leaves the folder"),
        ("up.jpg", lambda path: path.symlink_to("../made.zip"), "is a link that leaves the folder"),
        ("round", lambda path: path.symlink_to("deep"), "is a link to a folder"),
        ("gone.jpg", lambda path: path.symlink_to("nowhere.jpg"), "is neither a regular file nor a folder"),
        ("pipe", os.mkfifo, "is neither a regular file nor a folder"),
        ("back\\slash.jpg", lambda path: path.write_bytes(b""), "has a backslash in its name"),
        ("line\nfeed.jpg", lambda path: path.write_bytes(b""), "has a control character in its name"),
        (os.fsdecode(b"\xff.jpg"), lambda path: path.write_bytes(b""), "has a name that is not UTF-8"),
    ],
)
def test_links_out_of_the_folder_and_special_files_are_refused(
    folder: Path, tmp_path: Path, name: str, make: object, why: str
) -> None:
    assert callable(make)
    make(folder / name)
    answer = pack_folder.pack(folder, tmp_path / "made.zip")
    assert answer["ok"] is False
    [problem] = answer["problems"]
    assert problem.startswith(f"images: {why}: 1 file")
    assert problem.isprintable()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert pack_folder.pack(tmp_path / "empty", tmp_path / "made.zip")["problems"] == [
        "empty: the folder holds no files"
    ]
