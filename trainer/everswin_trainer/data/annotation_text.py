"""Parses an annotation file once for its check and its samples: the records, and where each one is in the text.

COCO's 57 million coordinates become arrays of float64, which take a third of the memory of Python's numbers.
"""

import json
import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Any, NamedTuple

# Lists whose elements are located in the text.
LOCATED = ("images", "annotations")
SPACE = re.compile(r"[ \t\n\r]*")


@dataclass
class AnnotationText:
    """A parsed text. Polygons of decimals are arrays, which `dump` writes as lists.

    `spans` holds the begin and end of each element of the located lists, in the order of the elements.
    """

    document: Any
    spans: dict[str, array] = field(default_factory=dict)

    def pairs(self, name: str) -> Iterator[tuple[int, int]]:
        """Returns (begin, end) of each element of a list."""
        numbers = iter(self.spans[name])
        return zip(numbers, numbers, strict=True)


class Layout(NamedTuple):
    """Positions of the records of a valid annotation file, by image.

    `images` holds (id, width, height, begin, end); `objects` holds begins and ends by the id of the image.
    """

    images: list[tuple[int, int, int, int, int]]
    objects: Mapping[int, array]
    categories: list[tuple[int, str]]

    @classmethod
    def of(cls, parsed: AnnotationText) -> "Layout":
        content = parsed.document
        images = [
            (one["id"], one["width"], one["height"], *span)
            for one, span in zip(content["images"], parsed.pairs("images"), strict=True)
        ]
        objects: dict[int, array] = defaultdict(lambda: array("Q"))
        for one, span in zip(content["annotations"], parsed.pairs("annotations"), strict=True):
            objects[one["image_id"]].extend(span)
        return cls(images, dict(objects), [(one["id"], one["name"]) for one in content["categories"]])


def parse(text: str) -> AnnotationText:
    """Parses a text. Raises the errors of json.loads."""
    try:
        return _Reader(text).document()
    except (ValueError, StopIteration, IndexError, RecursionError):
        # No object, or no JSON: json.loads explains why.
        return AnnotationText(json.loads(text))


def dump(document: Any) -> bytes:
    """Returns a parsed document as JSON."""
    return json.dumps(document, default=array.tolist).encode()


class _Reader:
    """Reads a JSON object step by step. Raises ValueError, StopIteration or IndexError at the first fault."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        # The decoder itself shares the names of members only within one element.
        self._scan = json.JSONDecoder(object_pairs_hook=_share_names).scan_once

    def document(self) -> AnnotationText:
        """Reads the whole text. As in json.loads, the last member of a name counts."""
        parsed = AnnotationText({})
        self._expect("{")
        for _ in self._parts("}"):
            name = self._value()
            if type(name) is not str:
                raise ValueError
            self._expect(":")
            parsed.spans.pop(name, None)
            if name in LOCATED and self._take("["):
                parsed.document[name], parsed.spans[name] = self._elements()
            else:
                parsed.document[name] = self._value()
        if self._skip() != len(self._text):
            raise ValueError
        return parsed

    def _elements(self) -> tuple[list[Any], array]:
        values, spans = [], array("Q")
        for _ in self._parts("]"):
            begin = self._skip()
            values.append(_pack(self._value()))
            spans.extend((begin, self._at))
        return values, spans

    def _parts(self, end: str) -> Iterator[None]:
        """Yields before each part of an object or list, until it ends."""
        if self._take(end):
            return
        yield
        while self._take(","):
            yield
        self._expect(end)

    def _value(self) -> Any:
        value, self._at = self._scan(self._text, self._skip())
        return value

    def _expect(self, character: str) -> None:
        if not self._take(character):
            raise ValueError

    def _take(self, character: str) -> bool:
        """Moves past the next character if it is this one, and returns whether it is."""
        if found := self._text[self._skip()] == character:
            self._at += 1
        return found

    def _skip(self) -> int:
        match = SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at


def _share_names(members: list[tuple[str, Any]]) -> dict[str, Any]:
    return {intern(name): value for name, value in members}


def _pack(record: Any) -> Any:
    """Replaces polygons by arrays. One with a whole number stays a list, so that it is written as it was read."""
    outline = record.get("segmentation") if type(record) is dict else None
    if type(outline) is list:
        for number, part in enumerate(outline):
            if type(part) is list and part and {float}.issuperset(map(type, part)):
                outline[number] = array("d", part)
    return record
