"""Tests what the checks of annotations accept, read in another form, warn of and refuse."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_codec

from everswin_trainer.data.check_annotations import Annotations, check_annotations

WIDTH, HEIGHT = 128, 96
Split = dict[str, Any]
Change = Callable[[dict[str, Any]], Any]


def make_split(count: int = 40) -> Split:
    """Returns `count` images with two objects each, all different, as a valid split."""
    images, annotations = [], []
    for number in range(1, count + 1):
        images.append({"id": number, "file_name": f"{number}.jpg", "width": WIDTH, "height": HEIGHT})
        for half in range(2):
            x, y = 6 + 60 * half + number % 7, 4 + number % 11
            width, height = 20 + number % 13, 24 + number % 5
            annotations.append(
                {
                    "id": 2 * number + half - 1,
                    "image_id": number,
                    "category_id": 1 + half,
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                    "segmentation": [[x, y, x + width, y, x + width, y + height, x, y + height]],
                }
            )
    categories = [{"id": 1, "name": "disc"}, {"id": 2, "name": "tile"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def change_all(change: Change) -> Split:
    split = make_split()
    for one in split["annotations"]:
        change(one)
    return split


def check(split: Split, name: str = "train", masks_from_boxes: bool = False) -> Annotations:
    return check_annotations(json.dumps(split).encode(), name, masks_from_boxes)


def polygon(one: dict[str, Any], change: Callable[[float, float], tuple[float, float]]) -> None:
    part = one["segmentation"][0]
    points = zip(part[::2], part[1::2], strict=True)
    one["segmentation"] = [[value for point in points for value in change(*point)]]


def encode(one: dict[str, Any]) -> dict[str, Any]:
    mask = mask_codec.merge(mask_codec.frPyObjects(one["segmentation"], HEIGHT, WIDTH))
    return {"size": [HEIGHT, WIDTH], "counts": mask["counts"].decode()}


def set_counts(change: Callable[[str], Any]) -> Change:
    def apply(one: dict[str, Any]) -> None:
        mask = encode(one)
        one["segmentation"] = {**mask, "counts": change(mask["counts"])}

    return apply


def set_box(change: Callable[[float, float, float, float], list[float]]) -> Change:
    return lambda one: one.update(bbox=change(*one["bbox"]))


def normalize(one: dict[str, Any]) -> None:
    x, y, w, h = one["bbox"]
    one.update(bbox=[x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT], area=w * h / WIDTH / HEIGHT)
    polygon(one, lambda x, y: (x / WIDTH, y / HEIGHT))


# A change to every object, and the part of a problem that names it.
SYSTEMATIC: dict[str, tuple[Change, str]] = {
    "boxes and outlines between 0 and 1": (normalize, "has a box between 0 and 1, as a share of its image: 80"),
    "boxes alone between 0 and 1": (
        set_box(lambda x, y, w, h: [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT]),
        "has a box between 0 and 1, as a share of its image: 80",
    ),
    "outlines alone between 0 and 1": (
        lambda one: polygon(one, lambda x, y: (x / WIDTH, y / HEIGHT)),
        "has an outline between 0 and 1, as a share of its image: 80",
    ),
    "crowds": (
        lambda one: one.update(iscrowd=1),
        '0 of 40 training images are usable: 40 have only crowd objects ("iscrowd": 1). Write "iscrowd": 0',
    ),
    "crowds written as true": (
        lambda one: one.update(iscrowd=True),
        "0 of 40 training images are usable: 40 have only",
    ),
    "objects marked as ignored": (
        lambda one: one.update(ignore=1),
        '0 of 40 training images are usable: 40 have only objects with "ignore" set. Remove "ignore"',
    ),
    "areas of 0": (
        lambda one: one.update(area=0),
        "0 of 40 training images are usable: 40 have only objects without area. Write the number of pixels",
    ),
    "negative areas": (lambda one: one.update(area=-5.0), "0 of 40 training images are usable"),
    "boxes outside": (
        set_box(lambda x, y, w, h: [x + 500, y, w, h]),
        "0 of 40 training images are usable: 40 have only boxes outside of the image",
    ),
    "boxes of no width": (set_box(lambda x, y, w, h: [x, y, 0, h]), "0 of 40 training images are usable"),
    "boxes with negative sides": (set_box(lambda x, y, w, h: [x + w, y + h, -w, -h]), "0 of 40 training images"),
    "boxes of x1, y1, x2, y2": (
        set_box(lambda x, y, w, h: [x, y, x + w, y + h]),
        "has a box of x1, y1, x2, y2 instead of x, y, width, height",
    ),
    "rounded boxes of x1, y1, x2, y2": (
        set_box(lambda x, y, w, h: [x, y, x + w - 1, y + h + 1]),
        "has a box of x1, y1, x2, y2 instead of x, y, width, height",
    ),
    "boxes around a center": (
        set_box(lambda x, y, w, h: [x + w / 2, y + h / 2, w, h]),
        "has a box of center x, center y, width, height instead",
    ),
    "boxes of y, x, height, width": (
        set_box(lambda x, y, w, h: [y, x, h, w]),
        "has a box whose x and y are swapped compared with its outline",
    ),
    "outlines outside": (
        lambda one: polygon(one, lambda x, y: (10 * x, 10 * y)),
        "has an outline outside of its image: ",
    ),
    "outlines elsewhere": (
        lambda one: polygon(one, lambda x, y: (x, y + 50)),
        "has an outline that is not where its box is: 80",
    ),
    "outlines at half the scale": (
        lambda one: polygon(one, lambda x, y: (x / 2, y / 2)),
        "has an outline that is not where its box is: ",
    ),
    "outlines with x and y swapped": (
        lambda one: polygon(one, lambda x, y: (y, x)),
        "has a box whose x and y are swapped compared with its outline",
    ),
    "masks without pixels": (
        lambda one: one.update(segmentation={"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}),
        "has a mask without pixels: 80",
    ),
    "outlines that are a point": (
        lambda one: one.update(segmentation=[[9.5, 9.5] * 4]),
        "has a mask without pixels: 80",
    ),
    "outlines of infinite coordinates": (
        lambda one: one["segmentation"][0].__setitem__(0, math.inf),
        "has an outline with coordinates that are infinite, not a number or beyond a million pixels: 80",
    ),
    "outlines of 300 digits": (
        lambda one: one["segmentation"][0].__setitem__(0, 10**300),
        "beyond a million pixels: 80",
    ),
    "outlines of 400 digits": (
        lambda one: one["segmentation"][0].__setitem__(0, 10**400),
        "beyond a million pixels: 80",
    ),
    "huge boxes": (set_box(lambda x, y, w, h: [x, y, 1e9, h]), "has a box beyond a million pixels: 80"),
    "outlines that are flat lists": (
        lambda one: one.update(segmentation=one["segmentation"][0]),
        'has a "segmentation" that is not a list of lists of numbers: 80',
    ),
    "outlines of points": (
        lambda one: one.update(segmentation=[[[1, 1], [9, 1], [9, 9]]]),
        "has a polygon with fewer than three points: 80",
    ),
    "outlines of texts": (
        lambda one: one.update(segmentation=[["1", "1", "9", "1", "9", "9"]]),
        'has a "segmentation" that is not a list of lists of numbers: 80',
    ),
    "strings saved with str(bytes)": (
        set_counts(lambda text: str(text.encode())),
        "has an RLE mask that was saved with str(bytes): 80",
    ),
    "strings with double quotes saved with str(bytes)": (
        set_counts(lambda text: f'b"{text}"'),
        "was saved with str(bytes): 80",
    ),
    "strings with an additional character": (set_counts(lambda text: text + "1"), "do not add up to its image: 80"),
    "strings without their first character": (set_counts(lambda text: text[1:]), "has an RLE mask "),
    "strings that end in the middle of a number": (
        set_counts(lambda text: text + "P"),
        "has an RLE mask that ends in the middle of a number: its string was cut short: 80",
    ),
    "strings with spaces": (
        set_counts(lambda text: text + " "),
        "has an RLE mask with characters that COCO's encoding",
    ),
    "strings of umlauts": (set_counts(lambda text: f"ä{text}"), "has an RLE mask with characters that COCO's encoding"),
    "strings of Base64": (set_counts(lambda text: "eJxLTEpOSU1LzwAAC7kDNw=="), "has an RLE mask with characters"),
    "strings that never end": (set_counts(lambda text: "o" * 50), "has an RLE mask that ends in the middle"),
    "strings of a huge number": (
        set_counts(lambda text: "o" * 9 + "0"),
        "has an RLE mask with run lengths that no image has",
    ),
    "strings of negative runs": (set_counts(lambda text: "O"), "has an RLE mask with run lengths that no image has"),
    "empty strings": (set_counts(lambda text: ""), "has an RLE mask without counts: 80"),
    "counts of null": (set_counts(lambda text: None), "has an RLE mask without counts: 80"),
    "counts of a negative run": (
        set_counts(lambda text: [HEIGHT * WIDTH + 5, -5]),
        "has an RLE mask whose counts do not add up to its image: 80",
    ),
    "counts of texts": (set_counts(lambda text: ["a", "b"]), "has an RLE mask whose counts are not whole numbers: 80"),
    "size as [width, height]": (
        lambda one: one.update(segmentation={**encode(one), "size": [WIDTH, HEIGHT]}),
        "has an RLE mask whose size is [width, height] instead of [height, width]: 80",
    ),
    "size of another image": (
        lambda one: one.update(segmentation={**encode(one), "size": [HEIGHT, HEIGHT]}),
        "has an RLE mask whose size differs from its image: 80 annotations (id 1: [96, 96] instead of [96, 128], ",
    ),
    "no size": (
        lambda one: one.update(segmentation={"counts": "1"}),
        "has an RLE mask whose size differs from its image: 80 annotations (id 1: null instead of [96, 128], ",
    ),
    "iscrowd of 2": (lambda one: one.update(iscrowd=2), 'has an "iscrowd" that is neither 0 nor 1: 80'),
    "iscrowd of yes": (
        lambda one: one.update(iscrowd="yes"),
        'has an "iscrowd" that is neither 0 nor 1: 80 annotations (id 1: "yes", ',
    ),
    "area of true": (
        lambda one: one.update(area=True),
        'has an "area" that is not a number: 80 annotations (id 1: true',
    ),
    "area of NaN": (lambda one: one.update(area=math.nan), 'has an "area" that is not a number: 80'),
    "image ids of letters": (
        lambda one: one.update(image_id=f"{one['image_id']}a"),
        'refers to an image that is not listed: 80 annotations (id 1: "1a", ',
    ),
    "category ids of null": (
        lambda one: one.update(category_id=None),
        "refers to an unknown category: 80 annotations (id 1: null, ",
    ),
    "no outlines": (
        lambda one: one.pop("segmentation"),
        'has no "segmentation", which mask training needs: 80 annotations (id 1, id 2, id 3, id 4, id 5, …). '
        'Add outlines, or set "masks": "from-boxes" in the run\'s input',
    ),
    "outlines of empty lists": (
        lambda one: one.update(segmentation=[[]]),
        'has no "segmentation", which mask training',
    ),
    "outlines of null": (lambda one: one.update(segmentation=None), 'has no "segmentation", which mask training'),
}


@pytest.mark.parametrize("title", SYSTEMATIC)
def test_what_is_wrong_with_every_object_is_named_in_a_problem(title: str) -> None:
    change, part = SYSTEMATIC[title]
    problems = check(change_all(change)).problems
    assert any(part in line for line in problems), problems


# Kinds that a few objects may have: in one of 80, they are a warning.
FEW = [
    "boxes alone between 0 and 1",
    "outlines alone between 0 and 1",
    "crowds",
    "objects marked as ignored",
    "areas of 0",
    "boxes outside",
    "boxes of no width",
    "boxes of x1, y1, x2, y2",
    "boxes around a center",
    "outlines outside",
    "outlines elsewhere",
    "masks without pixels",
]


@pytest.mark.parametrize("title", FEW)
def test_one_sloppy_object_among_many_is_at_most_a_warning(title: str) -> None:
    split = make_split()
    SYSTEMATIC[title][0](split["annotations"][40])
    assert check(split).problems == []


# A change to every object that leaves its meaning, and the part of the warning that names it.
READ_AS: dict[str, tuple[Change, str]] = {
    "ids as text": (lambda one: one.update(id=str(one["id"])), 'has "id" written as text or with a decimal point'),
    "ids with a decimal point": (lambda one: one.update(id=float(one["id"])), 'has "id" written as text'),
    "padded image ids": (lambda one: one.update(image_id=f"{one['image_id']:012d}"), 'has "image_id" written as text'),
    "categories with a decimal point": (
        lambda one: one.update(category_id=float(one["category_id"])),
        'has "category_id" ',
    ),
    "iscrowd of false": (lambda one: one.update(iscrowd=False), 'has "iscrowd" written as true or false'),
    "iscrowd of 0.0": (lambda one: one.update(iscrowd=0.0), 'has "iscrowd" written as text or with'),
    "iscrowd as text": (lambda one: one.update(iscrowd="0"), 'has "iscrowd" written as text or with'),
    "iscrowd of null": (lambda one: one.update(iscrowd=None), 'has no "iscrowd": it is read as 0'),
    "no iscrowd": (lambda one: one.pop("iscrowd"), 'has no "iscrowd": it is read as 0'),
    "a box of texts": (lambda one: one.update(bbox=[str(side) for side in one["bbox"]]), 'has "bbox" written as text'),
    "area as text": (lambda one: one.update(area=str(one["area"])), 'has "area" written as text'),
    "area of null": (lambda one: one.update(area=None), 'has no "area": it is computed from the mask'),
    "no area": (lambda one: one.pop("area"), 'has no "area": it is computed from the mask: 80 annotations (id 1, '),
}


@pytest.mark.parametrize("title", READ_AS)
def test_another_form_of_a_value_is_read_as_what_it_means(title: str) -> None:
    change, part = READ_AS[title]
    checked = check(change_all(change))
    assert checked.problems == []
    assert [part in line for line in checked.warnings] == [True]
    assert json.loads(checked.content) == make_split()
    assert (checked.usable_images, checked.usable_objects) == (40, 80)
    # What was written is read without further notice.
    again = check_annotations(checked.content, "train", False)
    assert (again.problems, again.warnings, again.content) == ([], [], b"")


def test_sizes_ids_and_names_of_images_and_categories_are_read_in_another_form() -> None:
    split = make_split()
    for one in split["images"]:
        one.update(id=str(one["id"]), width=float(WIDTH), height=str(HEIGHT))
    for one in split["categories"]:
        one["id"] = float(one["id"])
    checked = check(split)
    assert (checked.problems, len(checked.warnings)) == ([], 4)
    assert json.loads(checked.content) == make_split()
    assert checked.images[0] == ("1.jpg", WIDTH, HEIGHT)


@pytest.mark.parametrize("value", ["12a", "", "1.5", 1.5, True, None, math.nan, [1], "０", 2**64, 1e300])
def test_a_value_that_is_not_plainly_a_whole_number_is_refused(value: Any) -> None:
    for part, name in (("images", "id"), ("images", "width"), ("annotations", "id"), ("categories", "id")):
        split = make_split()
        split[part][0][name] = value
        assert check(split).problems


def test_a_byte_order_mark_is_accepted() -> None:
    content = json.dumps(make_split()).encode()
    checked = check_annotations(b"\xef\xbb\xbf" + content, "train", False)
    assert (checked.problems, checked.warnings, checked.content) == ([], [], b"")


OTHER_FILES = {
    json.dumps(make_split()).encode("utf-16"): "the file is in UTF-16 or UTF-32. Save it as UTF-8",
    json.dumps(make_split()).encode("utf-16-le"): "the file is in UTF-16 or UTF-32. Save it as UTF-8",
    json.dumps(make_split()).encode("utf-16-be"): "the file is in UTF-16 or UTF-32. Save it as UTF-8",
    json.dumps(make_split()).encode("utf-32"): "the file is in UTF-16 or UTF-32. Save it as UTF-8",
    '{"info": "ä"}'.encode("latin-1"): "byte 11 of the file is not UTF-8. Save it as UTF-8",
    b"\x1f\x8b\x08": "the file is a gzip file (.gz or .tar.gz). Unpack it",
    b" \n": "the file is empty. Export it again",
    b'{"images": []}\n{"images": []}': "a second value begins in line 2. Write one object with images, annotations and "
    "categories",
}


@pytest.mark.parametrize("content", OTHER_FILES, ids=lambda content: repr(content[:12]))
def test_a_file_of_another_kind_is_named(content: bytes) -> None:
    checked = check_annotations(content, "train", False)
    assert checked.problems == [f"train: the annotations are not JSON in UTF-8: {OTHER_FILES[content]}"]


def test_fields_that_nothing_reads_may_have_any_value() -> None:
    split = make_split()
    split |= {"info": {"year": "", "version": ""}, "licenses": [{"name": "", "id": 0, "url": ""}]}
    for one in split["images"]:
        one.update(license=0, flickr_url="", date_captured=0)
    for one in split["annotations"]:
        one.update(id=one["id"] - 1, attributes={"occluded": False}, score=math.nan)
    checked = check(split)
    assert (checked.problems, checked.warnings, checked.content) == ([], [], b"")


def test_a_problem_of_an_image_or_a_category_is_not_repeated_by_its_annotations() -> None:
    split = make_split()
    split["images"][0]["id"] = split["annotations"][0]["image_id"] = split["annotations"][1]["image_id"] = "a.jpg"
    split["images"][1].pop("width")
    split["categories"][0]["name"] = ""
    checked = check(split)
    assert (len(checked.problems), checked.warnings) == (3, [])


def test_a_number_as_a_class_name_is_read_as_text() -> None:
    split = make_split()
    split["categories"][0]["name"] = 7
    checked = check(split)
    assert (checked.problems, checked.categories) == ([], [(1, "7"), (2, "tile")])
    assert checked.warnings == ['train: has a number as "name": it is read as text: 1 category (number 1 in the file)']


def test_probable_percentages_and_shares_are_a_warning() -> None:
    split = make_split()
    for one in split["images"]:
        one.update(width=640, height=480)
    for one in split["annotations"]:
        one["bbox"][0] = one["bbox"][0] // 2
        one["segmentation"] = [
            [value // 2 if place % 2 == 0 else value for place, value in enumerate(part)]
            for part in one["segmentation"]
        ]
        one["area"] /= 640 * 480
    checked = check(split)
    assert checked.problems == []
    assert [line.split(": 80 ")[0] for line in checked.warnings] == [
        'train: has an "area" of at most one pixel, so AP by object size is wrong',
        "train: has a box in the first 100 pixels, as all others: they may be percentages",
    ]


def test_valid_annotations_need_no_other_content() -> None:
    content = json.dumps(make_split(), indent=3).encode()
    checked = check_annotations(content, "val", False)
    assert (checked.problems, checked.warnings, checked.content) == ([], [], b"")


@pytest.mark.parametrize("count", [1, 8])
def test_masks_are_made_from_boxes_on_request(count: int) -> None:
    split = make_split(count)
    for one in split["annotations"]:
        one["segmentation"], one["area"] = [], None
    checked = check(split, masks_from_boxes=True)
    assert checked.problems == []
    total = 2 * count
    made = f"the masks of {total} of {total} objects are made from boxes"
    assert f'train: {made} ("masks": "from-boxes"): mask AP measures boxes there' in checked.warnings
    assert (checked.masks_from_boxes, json.loads(checked.content)) == (total, make_split(count))
    assert check(make_split(count), masks_from_boxes=True).warnings == check(make_split(count)).warnings


@pytest.mark.parametrize("kind", ["x1, y1, x2, y2", "center x, center y, width, height"])
def test_boxes_without_outlines_reveal_another_format_by_their_images(kind: str) -> None:
    split = change_all(SYSTEMATIC["boxes of x1, y1, x2, y2" if kind.startswith("x1") else "boxes around a center"][0])
    for one in split["annotations"]:
        if kind.startswith("center"):
            one["bbox"][0] += 20
        one.pop("segmentation")
    assert any(f"has a box of {kind} instead" in line for line in check(split, masks_from_boxes=True).problems)


def test_small_images_are_counted_in_training_only() -> None:
    split = make_split()
    for one in split["images"]:
        one["height"] = 31
    for one in split["annotations"]:
        one.update(bbox=[2, 2, 20, 20], segmentation=[[2, 2, 22, 2, 22, 22, 2, 22]])
    assert check(split, "val").problems == []
    assert check(split).problems == [
        "train: 0 of 40 training images are usable: 40 have a side shorter than 32 pixels. "
        "Use images of at least 32 x 32 pixels"
    ]


def test_much_that_is_dropped_is_a_warning_with_numbers() -> None:
    split = make_split()
    for one in split["annotations"][:20]:
        one["iscrowd"] = 1
    split["images"] += [{"id": 50 + n, "file_name": f"{50 + n}.jpg", "width": 30, "height": 99} for n in range(3)]
    assert check(split).warnings == [
        "train: 30 of 43 training images are usable: 3 have a side shorter than 32 pixels, "
        '10 have only crowd objects ("iscrowd": 1)',
        'train: 60 of 80 training objects are usable: 20 have "iscrowd": 1',
    ]


@pytest.mark.parametrize("box", [[0, 0, 0, 0], [500, 5, 20, 20]])
def test_validation_needs_a_box_that_a_detection_can_match(box: list[float]) -> None:
    split = make_split()
    for one in split["annotations"]:
        one["bbox"] = box
    assert any("0 of 40 validation images are usable" in line for line in check(split, "val").problems)


def test_what_coco_contains_is_accepted() -> None:
    split = make_split(100)
    first, second, third, fourth, fifth = split["annotations"][:5]
    # Annotation 918 of COCO: a box without height.
    first.update(
        bbox=[29.5, 38.3, 1.03, 0.0], area=0.0, segmentation=[[29.5, 38.3, 29.5, 38.3, 30.5, 38.3, 30.5, 38.3]]
    )
    # A mask of few pixels, and one that is thinner than a pixel.
    second.update(bbox=[70, 5, 1.2, 1.1], area=0.7, segmentation=[[70, 5, 71.2, 5, 71.2, 6.1]])
    third.update(bbox=[5, 5, 60, 1.0], area=12, segmentation=[[5, 5.1, 65, 5.1, 65, 5.3, 5, 5.3]])
    # Several parts, one of them far away, and a box that is some pixels too large.
    fourth["segmentation"].append([2, 90, 6, 90, 6, 94])
    x, y, w, h = fourth["bbox"]
    fourth["bbox"] = [2, y - 3, x + w, h + 90 - y]
    # A crowd with holes, as run lengths, which covers its image.
    fifth.update(
        iscrowd=1,
        bbox=[0, 0, WIDTH, HEIGHT],
        segmentation={"size": [HEIGHT, WIDTH], "counts": [5, 100] * (WIDTH * HEIGHT // 105) + [WIDTH * HEIGHT % 105]},
    )
    checked = check(split)
    assert checked.problems == []


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(("size", "counts", "id")), inner, max_size=3),
        max_leaves=12,
    ),
    st.data(),
)
def test_no_value_of_any_field_raises(value: Any, data: st.DataObject) -> None:
    split = make_split(2)
    part = data.draw(st.sampled_from(("images", "annotations", "categories")))
    record = data.draw(st.sampled_from(split[part]))
    record[data.draw(st.sampled_from(sorted(record)))] = value
    content = json.dumps(split).encode()
    checked = check_annotations(content, "train", data.draw(st.booleans()))
    if not checked.problems:
        again = check_annotations(checked.content or content, "train", False)
        assert (again.problems, again.content) == ([], b"")
