"""Compares the sizes and orientations that `prepare-dataset` finds with what OpenCV loads."""

import random
import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from own_data import draw
from PIL import Image

from everswin_trainer.data.decode_image import TRUNCATED, LoadedImage, decode
from everswin_trainer.data.image_header import read_plain_size

BYTE, SHORT, LONG, SIGNED_SHORT = 1, 3, 4, 8
JPEG, PNG, SQUARE = draw(1), draw(1, kind=".png"), draw(1, 30, 30)


def tiff(value: int, kind: int = SHORT, order: str = "<", count: int = 1, entries: int = 1) -> bytes:
    """Returns EXIF data with an orientation."""
    content = struct.pack(f"{order}{'B HL   h'[kind - 1]}", value).ljust(4, b"\0")
    begin = b"II*\0\x08\0\0\0" if order == "<" else b"MM\0*\0\0\0\x08"
    return begin + struct.pack(f"{order}HHHL", entries, 0x112, kind, count) + content + bytes(4)


def segment(content: bytes, marker: int = 0xE1) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def exif(*orientations: bytes, image: bytes = JPEG) -> bytes:
    """Returns a JPEG image with EXIF segments at its beginning."""
    return image[:2] + b"".join(segment(b"Exif\0\0" + one) for one in orientations) + image[2:]


def insert(content: bytes, before: bytes) -> bytes:
    at = JPEG.index(before)
    return JPEG[:at] + segment(b"Exif\0\0" + content) + JPEG[at:]


def png_with(content: bytes, before: bytes = b"IDAT") -> bytes:
    at = PNG.index(before) - 4
    chunk = b"eXIf" + content
    return PNG[:at] + struct.pack(">L", len(content)) + chunk + struct.pack(">L", zlib.crc32(chunk)) + PNG[at:]


def pillow(
    kind: str, orientation: int = 1, size: tuple[int, int] = (40, 32), mode: str = "RGB", **options: object
) -> bytes:
    image = Image.fromarray(np.random.default_rng(2).integers(0, 255, (size[1], size[0], 3), np.uint8)).convert(mode)
    tags, out = Image.Exif(), BytesIO()
    tags[0x112] = orientation
    image.save(out, kind, **(options if orientation == 1 else {"exif": tags, **options}))
    return out.getvalue()


UPRIGHT = {
    "JPEG": JPEG,
    "progressive JPEG": pillow("JPEG", progressive=True),
    "CMYK JPEG": pillow("JPEG", mode="CMYK"),
    "gray JPEG": pillow("JPEG", mode="L"),
    "PNG": PNG,
    "16-bit PNG": cv2.imencode(".png", np.zeros((32, 40, 3), np.uint16))[1].tobytes(),
    "palette PNG": pillow("PNG", mode="P"),
    "WebP": pillow("WEBP"),
    "TIFF": pillow("TIFF"),
    "BMP": pillow("BMP"),
    "GIF": pillow("GIF"),
    "JP2": pillow("JPEG2000"),
    "AVIF": pillow("AVIF"),
    "orientation 1": exif(tiff(1)),
    "orientation 0": exif(tiff(0)),
    "orientation 9": exif(tiff(9)),
    "EXIF data without signature": JPEG[:2] + segment(b"EXIF\0\0" + tiff(6)) + JPEG[2:],
    "EXIF data in another segment": JPEG[:2] + segment(b"Exif\0\0" + tiff(6), 0xE2) + JPEG[2:],
    "EXIF data cut off": exif(tiff(6)[:14]),
    "the second of two orientations": exif(tiff(1), tiff(6)),
}
TURNED = {
    "SHORT": exif(tiff(6)),
    "SHORT, big-endian": exif(tiff(6, order=">")),
    "LONG": exif(tiff(6, LONG)),
    "BYTE": exif(tiff(6, BYTE)),
    "SSHORT": exif(tiff(6, SIGNED_SHORT)),
    "a count of 0": exif(tiff(6, count=0)),
    "a count of 2": exif(tiff(6, count=2)),
    "a directory of 300 entries": exif(tiff(6, entries=300)),
    "the first of two orientations": exif(tiff(6), tiff(1)),
    "after XMP": JPEG[:2] + segment(b"http://ns.adobe.com/xap/1.0/\0<x/>") + exif(tiff(6))[2:],
    "after the tables": insert(tiff(6), b"\xff\xc0"),
    "after the frame header": insert(tiff(6), b"\xff\xda"),
    "PNG": png_with(tiff(6)),
    "PNG, after the image data": png_with(tiff(6), b"IEND"),
    "WebP": pillow("WEBP", 6),
    "TIFF": pillow("TIFF", 6),
    "JPEG": pillow("JPEG", 6),
    "progressive JPEG": pillow("JPEG", 6, progressive=True),
}


@pytest.mark.parametrize("title", UPRIGHT)
def test_decode_keeps_the_size_of_an_upright_image(title: str) -> None:
    loaded = decode(UPRIGHT[title])
    assert isinstance(loaded, LoadedImage)
    assert (loaded.size, loaded.stored_size) == ((40, 32), (40, 32))
    assert loaded.orientation != "turned"
    assert read_plain_size(UPRIGHT[title]) in (None, (40, 32))


@pytest.mark.parametrize("title", TURNED)
def test_decode_finds_each_orientation_that_opencv_applies(title: str) -> None:
    assert decode(TURNED[title]) == ((32, 40), (40, 32), "turned")
    assert read_plain_size(TURNED[title]) is None


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_decode_finds_the_orientation_of_a_square_image(kind: str, orientation: int) -> None:
    content = pillow(kind, orientation, (30, 30))
    assert decode(content) == ((30, 30), (30, 30), "turned")
    assert read_plain_size(content) is None


@pytest.mark.parametrize(
    "content", [exif(tiff(6, LONG, ">"), image=SQUARE), pillow("AVIF", 6, (30, 30))], ids=["LONG", "AVIF"]
)
def test_decode_finds_an_orientation_that_only_other_programs_apply(content: bytes) -> None:
    assert decode(content) == ((30, 30), (30, 30), "ignored")


@pytest.mark.parametrize(
    "after",
    [bytes(200_000), random.Random(1).randbytes(300_000), JPEG, b"\0\0\0\x18ftypmp42"],
    ids=["zeros", "video", "second image", "short"],
)
@pytest.mark.parametrize("title", ["JPEG", "progressive JPEG", "PNG", "WebP", "TIFF", "BMP", "GIF", "AVIF"])
def test_decode_accepts_data_behind_the_end(title: str, after: bytes) -> None:
    content = UPRIGHT[title] + after
    assert decode(content) == ((40, 32), (40, 32), "upright")
    assert read_plain_size(content) in (None, (40, 32))


@pytest.mark.parametrize("title", UPRIGHT)
def test_decode_refuses_a_truncated_image(title: str) -> None:
    whole = UPRIGHT[title]
    for end in (len(whole) // 2, len(whole) * 9 // 10, len(whole) - 12):
        # Zeros are valid data of other formats.
        filled = [whole[:end] + bytes(len(whole) - end)] if "JPEG" in title or "PNG" in title else []
        for content in (whole[:end], *filled):
            assert isinstance(decode(content), str), end
            assert read_plain_size(content) is None


def test_decode_refuses_an_image_that_libjpeg_fills_with_gray() -> None:
    half = JPEG[: len(JPEG) // 2]
    assert decode(half + b"\xff\xd9") == TRUNCATED


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"no image", "cannot be decoded"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC image, which training cannot read"),
        (b"<!DOCTYPE html><html>", "is an HTML page, such as a login or error page, which training cannot read"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"%PDF-1.7", "is a PDF document"),
    ],
    ids=["empty", "text", "HEIC", "HTML", "LFS", "PDF"],
)
def test_decode_names_a_file_that_is_no_image(content: bytes, reason: str) -> None:
    assert str(decode(content)).startswith(reason)


def test_plain_sizes_agree_with_opencv_on_changed_headers() -> None:
    generator = random.Random(3)
    seeds = [*UPRIGHT.values(), *TURNED.values()]
    plain = 0
    for _ in range(3000):
        content = bytearray(generator.choice([one for one in seeds if one[:2] in (b"\xff\xd8", b"\x89P")]))
        content[generator.randrange(2, 120)] = generator.choice((0, 1, 3, 4, 6, 8, 255, generator.randrange(256)))
        size = read_plain_size(bytes(content))
        if size is None:
            continue
        plain += 1
        loaded = decode(bytes(content))
        assert isinstance(loaded, str) or (loaded.size, loaded.orientation == "turned") == (size, False)
    assert plain > 100
