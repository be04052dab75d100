from io import BytesIO
from pathlib import Path

import pytest
from own_data import OwnData, annotate
from PIL import Image, ImageDraw

from everswin_trainer.data.orientation_evidence import Evidence, find_outlines

# The transposition that makes the file of an image which EXIF turns back.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
ROTATED = "train: is rotated on loading (EXIF orientation), but annotated without rotation, as outlines show in "


def photo(number: int, orientation: int, annotated_as_loaded: bool) -> bytes:
    """Returns a square image of an object, saved with an orientation."""
    image = Image.new("RGB", (64, 64), (80, 90, 100 + number))
    ImageDraw.Draw(image).rectangle((5, 5, 24, 19), fill=(220, 40, number))
    tags, out = Image.Exif(), BytesIO()
    tags[0x112] = orientation
    (image.transpose(STORED[orientation]) if annotated_as_loaded else image).save(out, "JPEG", exif=tags, quality=95)
    return out.getvalue()


def own_photos(root: Path, orientation: int, annotated_as_loaded: bool, count: int) -> OwnData:
    own = OwnData(root)
    own.train["images"] = [{"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 64} for n in range(20, 20 + count)]
    own.train["annotations"] = [annotate(n, n, 3 + 5 * (n % 2)) for n in range(20, 20 + count)]
    own.images = {name: content for name, content in own.images.items() if name.startswith("val")}
    own.images |= {f"train/{n}.jpg": photo(n, orientation, annotated_as_loaded) for n in range(20, 20 + count)}
    return own


@pytest.mark.parametrize("orientation", STORED)
def test_square_and_mirrored_photos_that_are_annotated_without_rotation_are_refused(
    tmp_path: Path, orientation: int
) -> None:
    problems = own_photos(tmp_path, orientation, False, 8).prepare()["problems"]
    assert len(problems) == 1
    assert problems[0].startswith(f'{ROTATED}8 of 8 images: 8 images ("20.jpg", ')
    assert "Remove the orientation from the files" in problems[0]


@pytest.mark.parametrize("orientation", STORED)
def test_square_and_mirrored_photos_that_are_annotated_as_loaded_pass(tmp_path: Path, orientation: int) -> None:
    answer = own_photos(tmp_path, orientation, True, 8).prepare()
    assert (answer["problems"], answer["warnings"]) == ([], [])


def test_few_rotated_photos_get_a_warning_with_the_evidence(tmp_path: Path) -> None:
    answer = own_photos(tmp_path, 6, False, 4).prepare()
    assert answer["problems"] == []
    assert answer["warnings"][0].startswith("train: is flipped or rotated on loading (EXIF orientation): check its")
    assert answer["warnings"][0].endswith("Outlines fit the edges of the rotated image in 0 of 4")


@pytest.mark.parametrize(
    ("loaded", "stored", "verdict"),
    [(8, 0, "loaded"), (9, 2, "loaded"), (0, 8, "stored"), (7, 0, "unclear"), (9, 9, "unclear")],
)
def test_evidence_needs_eight_images_and_a_clear_majority(loaded: int, stored: int, verdict: str) -> None:
    assert Evidence(loaded, stored).verdict() == verdict


def test_find_outlines_uses_the_box_of_an_object_without_polygons() -> None:
    box = {"bbox": [1, 2, 3, 4], "segmentation": {"size": [9, 9], "counts": [81]}}
    polygon = {"bbox": [0, 0, 9, 9], "segmentation": [[1, 2, 3, 4, 5, 6]]}
    assert find_outlines([box, polygon]) == [[(1, 2), (4, 2), (4, 6), (1, 6)], [(1, 2), (3, 4), (5, 6)]]
