"""Checks that hostile archives are refused with a reason and that nothing is written outside the target folder."""

import os
import random
from pathlib import Path

import pytest
from hostile_zips import Member, build, corpus, deflate, end64, extra64
from own_data import OwnData, draw
from zips import zip_of

from everswin_trainer.data.dataset_spec import DatasetSpec
from everswin_trainer.data.image_index import ImageIndex
from everswin_trainer.data.prepare_dataset import prepare
from everswin_trainer.data.zip_directory import Refused, read_central_directory
from everswin_trainer.data.zip_entry import open_entry
from everswin_trainer.data.zip_images import ZipImages

IMAGES = {
    f"{split}/{n}.jpg": draw(n, 160, 120)
    for split, first in (("train", 1), ("val", 5))
    for n in range(first, first + 2)
}
TITLES = sorted(corpus(IMAGES, "/outside"))


def own(root: Path, archive: bytes, extract: bool = True) -> OwnData:
    made = OwnData(root, archive=archive, changes={"extract": extract, "decode": 0})
    for split in (made.train, made.val):
        for image in split["images"]:
            image["width"], image["height"] = 160, 120
    return made


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_the_corpus_holds_at_least_70_archives() -> None:
    assert len([title for title in TITLES if not title.startswith("truncated")]) >= 60
    assert len([title for title in TITLES if title.startswith("truncated")]) >= 10


@pytest.mark.parametrize("title", TITLES)
def test_a_hostile_archive_is_refused_and_nothing_is_written(tmp_path: Path, title: str) -> None:
    archive, reason = corpus(IMAGES, str(tmp_path))[title]
    (tmp_path / "work").mkdir()
    data = own(tmp_path / "work", archive)
    answer = data.prepare()
    assert not answer["ok"]
    [problem] = answer["problems"][:1]
    assert "images.zip" in problem
    assert reason in problem
    assert problem.isprintable()
    inputs = {"images.zip", "train.json", "val.json", "spec.json", ".ready.lock"}
    assert everything(tmp_path) == {"work", *(f"work/{name}" for name in inputs)}


@pytest.mark.parametrize("expected", [3, 5])
def test_an_archive_with_an_unexpected_number_of_files_is_refused(tmp_path: Path, expected: int) -> None:
    data = own(tmp_path, zip_of(IMAGES))
    spec = data.write()
    text = spec.read_text().replace('"files": null', f'"files": {expected}', 1)
    spec.write_text(text)
    answer = prepare(DatasetSpec.load(spec), data.into)
    assert answer["problems"] == [
        f"images.zip is refused: it holds 4 files, expected {expected}. Correct the number in the catalog, or copy or "
        "download the archive again"
    ]


def test_an_archive_with_a_flipped_bit_is_refused_or_read_correctly(tmp_path: Path) -> None:
    small = {f"{split}/{n}.jpg": draw(n, 16, 12) for split, n in (("train", 1), ("train", 2), ("val", 5), ("val", 6))}
    valid = zip_of(small)
    draws = random.Random(5)
    refused = 0
    for round_ in range(500):
        damaged = bytearray(valid)
        damaged[draws.randrange(len(valid))] ^= 1 << draws.randrange(8)
        folder = tmp_path / str(round_)
        refused += not _is_accepted(folder, bytes(damaged), small)
    assert 350 < refused < 500


def _is_accepted(folder: Path, archive: bytes, images: dict[str, bytes]) -> bool:
    """Calls the archive reader in this process: 500 processes would take minutes."""
    folder.with_suffix(".zip").write_bytes(archive)
    descriptor = os.open(folder.with_suffix(".zip"), os.O_RDONLY)
    try:
        entries = read_central_directory(descriptor)
        contents = [b"".join(open_entry(descriptor, entry)[1]) for entry in entries]
    except Refused as refused:
        assert str(refused).isprintable()
        return False
    finally:
        os.close(descriptor)
    assert contents == list(images.values())
    return True


HONEST = [Member(name.encode(), content) for name, content in IMAGES.items()]
FOLDERS = [Member(b"train/", b"", listed={"mode": 0o040755 << 16}), Member(b"empty.txt", b"")]
UNKNOWN = {"flags": 8, "crc": 0, "packed": 0, "size": 0}


@pytest.mark.parametrize(
    "archive",
    [
        build(HONEST),
        build([*FOLDERS, *HONEST]),
        build([Member(one.name, one.content, method=8) for one in HONEST]),
        build([Member(one.name, one.content, local=UNKNOWN, listed={"flags": 8}, after=bytes(16)) for one in HONEST]),
        build([Member(one.name, one.content, local_extra=b"UT\5\0\3aaaa", extra=b"UT\5\0\3bbbb") for one in HONEST]),
        build([Member(one.name, one.content, local_extra=bytes(3000)) for one in HONEST]),
        end64(build(HONEST)),
    ],
    ids=["plain", "folders", "deflated", "data descriptors", "times", "aligned", "zip64"],
)
@pytest.mark.parametrize("extract", [False, True], ids=["in place", "extracted"])
def test_a_valid_archive_is_accepted_and_all_its_images_are_readable(
    tmp_path: Path, archive: bytes, extract: bool
) -> None:
    data = own(tmp_path, archive, extract)
    answer = data.prepare()
    assert answer["problems"] == []
    for split in ("train", "val"):
        for name, content in IMAGES.items():
            if not name.startswith(split):
                continue
            if extract:
                assert (data.into / "images" / name).read_bytes() == content
            else:
                images = ZipImages(str(tmp_path / "images.zip"), str(data.into / f"{split}.index"))
                assert images.get(name) == content
        assert len(ImageIndex(data.into / f"{split}.index")) == 2


def test_64_bit_sizes_and_offsets_are_read_from_zip64_fields(tmp_path: Path) -> None:
    offset, members = 0, []
    for one in HONEST:
        size = len(one.content)
        long = {"packed": 0xFFFF_FFFF, "size": 0xFFFF_FFFF}
        members.append(
            Member(
                one.name,
                one.content,
                local=long,
                local_extra=extra64(size, size),
                listed={**long, "offset": 0xFFFF_FFFF},
                extra=extra64(size, size, offset),
            )
        )
        offset += 30 + len(one.name) + 20 + size
    assert own(tmp_path, build(members)).prepare()["ok"]


def test_a_highly_compressed_entry_is_read_completely(tmp_path: Path) -> None:
    text = bytes(9_000_000)
    noise = random.Random(1).randbytes(200_000)
    members = [*HONEST, Member(b"noise", noise), Member(b"text", text, method=8, data=deflate(text))]
    assert own(tmp_path, build(members)).prepare()["ok"]
