"""Compares decoded masks and measured shapes with pycocotools on random data."""

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_codec

from everswin_trainer.data.findings import Findings
from everswin_trainer.data.mask_shapes import measure_shapes
from everswin_trainer.data.read_objects import ObjectReader
from everswin_trainer.data.run_lengths import decode, measure


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """Draws a mask (height, width) with several runs per column, or none."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    density = draw(st.sampled_from((0, 0.02, 0.5, 0.98, 1)))
    return (np.random.default_rng(draw(st.integers(0, 2**32))).random((height, width)) < density).astype(np.uint8)


@settings(max_examples=150, deadline=None)
@given(st.lists(masks(), min_size=1, max_size=5))
def test_strings_of_pycocotools_decode_to_the_same_masks(drawn: list[np.ndarray]) -> None:
    encoded = [mask_codec.encode(np.asfortranarray(one)) for one in drawn]
    decoded, faults = decode([one["counts"] for one in encoded])
    assert faults == {}
    assert decoded.pixels().tolist() == [one.size for one in drawn]
    extents = measure(decoded, np.array([len(one) for one in drawn]))
    assert extents.area.tolist() == mask_codec.area(encoded).tolist()
    for one, bounds in zip(drawn, extents.bounds, strict=True):
        rows, columns = np.nonzero(one)
        if len(rows):
            assert bounds.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        else:
            assert np.isnan(bounds).all()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=4), st.booleans())
def test_any_string_either_has_a_fault_or_is_encoded_again_to_the_same_runs(strings: list[bytes], valid: bool) -> None:
    if valid:
        # Maps most bytes into the alphabet of run lengths.
        strings = [bytes(48 + one % 64 for one in string) for string in strings]
    decoded, faults = decode(strings)
    for number, (string, first, length) in enumerate(zip(strings, decoded.first, decoded.lengths(), strict=True)):
        counts = decoded.counts[first : first + length].tolist()
        if number in faults:
            assert counts == [0]
        elif sum(counts) < 1 << 31:
            mask = mask_codec.frPyObjects({"size": [1, sum(counts)], "counts": counts}, 1, sum(counts))
            again, none = decode([mask["counts"]])
            assert (again.counts.tolist(), none, string.isascii()) == (counts, {}, True)


COORDINATES = st.integers(-30, 70) | st.floats(-30, 70) | st.sampled_from((0, 20, 40, 39.99, 19.5))


@st.composite
def outlines(draw: st.DrawFn) -> list[list[float]]:
    """Draws polygons of any form: thin ones, points, crossing edges, partly or completely outside of the image."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        scale = draw(st.sampled_from((0.01, 0.1, 1)))
        left, top = draw(COORDINATES), draw(COORDINATES)
        points = draw(st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=8))
        parts.append([value for x, y in points for value in (left + scale * x, top + scale * y)])
    return parts


@settings(max_examples=400, deadline=None)
@given(st.lists(outlines(), min_size=1, max_size=4))
def test_polygons_without_pixels_are_those_of_pycocotools(drawn: list[list[list[float]]]) -> None:
    width, height = 40, 20
    objects = read_outlines(drawn)
    sizes = np.array([[width, height]] * len(drawn))
    shapes = measure_shapes(objects, sizes, Findings("train"))
    expected = [mask_codec.merge(mask_codec.frPyObjects(one, height, width)) for one in drawn]
    assert shapes.empty.tolist() == [mask_codec.area(one) == 0 for one in expected]
    decoded = ~np.isnan(shapes.area)
    assert shapes.area[decoded].tolist() == np.array(mask_codec.area(expected))[decoded].tolist()


def read_outlines(drawn: list[list[list[float]]]) -> Any:
    problems = Findings("train")
    reader = ObjectReader({1: 0}, {1: 0}, False, problems, problems)
    record = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 9, "iscrowd": 0}
    annotations = [record | {"id": number, "segmentation": one} for number, one in enumerate(drawn)]
    objects = reader.read(json.loads(json.dumps(annotations)))
    assert not problems
    return objects
