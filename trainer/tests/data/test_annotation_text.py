"""Compares the parser of annotation files with json.loads: same values, errors, and positions of the records."""

import json
from array import array
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everswin_trainer.data.annotation_text import LOCATED, dump, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
OUTLINES = st.lists(st.lists(st.floats(allow_nan=False) | st.integers(0, 3), max_size=4) | VALUES, max_size=3)
RECORDS = VALUES | st.fixed_dictionaries({"segmentation": OUTLINES | VALUES})
DOCUMENTS = st.dictionaries(st.sampled_from((*LOCATED, "categories", "info")), st.lists(RECORDS, max_size=4) | VALUES)


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS | VALUES, st.sampled_from((None, 1)), st.booleans())
def test_parsed_text_equals_that_of_json(document: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    parsed = parse(text)
    # repr tells 1 from 1.0 and from True, and shows the order of keys.
    assert repr(json.loads(dump(parsed.document))) == repr(json.loads(text))
    lists = [name for name in LOCATED if isinstance(document, dict) and isinstance(document.get(name), list)]
    assert sorted(parsed.spans) == sorted(lists)
    for name in lists:
        found = [json.loads(text[begin:end]) for begin, end in parsed.pairs(name)]
        assert repr(found) == repr(json.loads(text)[name])


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "[1", '{"images": [', '{"images": [1,]}', '{"a": 1,}', '{"a" 1}', "{1: 2}", "{} {}", "nul", '"a'],
)
def test_error_of_a_faulty_text_is_that_of_json(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(text)
    with pytest.raises(json.JSONDecodeError) as actual:
        parse(text)
    assert str(actual.value) == str(expected.value)


def test_last_member_of_a_name_counts() -> None:
    parsed = parse('{"images": [1, 2], "images": [3], "annotations": [4], "annotations": null}')
    assert parsed.document == {"images": [3], "annotations": None}
    assert list(parsed.spans) == ["images"]


def test_polygons_of_decimals_are_arrays() -> None:
    outline = parse('{"annotations": [{"segmentation": [[1.5, 2.0], [1, 2.5], []]}]}').document["annotations"][0]
    assert outline == {"segmentation": [array("d", (1.5, 2.0)), [1, 2.5], []]}
