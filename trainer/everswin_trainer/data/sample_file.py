"""File with the samples of a split: the annotations grouped by image, for all ranks and loader workers to map.

Layout: HEAD; one text per image, a JSON list of its record and those of its objects, copied from the annotation file;
one INDEX record per image; the categories, a JSON list of [id, name]. Images are in the order of the annotation file.
Processes share the mapped pages, so the annotations of COCO take no memory per process and no time to load.
"""

import json
import mmap
import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from everswin_trainer.system.atomic_file import write_atomic

MAGIC = b"EVSWSMP1"
# Number of images; bytes of the texts, and of the categories.
HEAD = np.dtype([("magic", "S8"), ("images", "<u8"), ("texts", "<u8"), ("categories", "<u8")])
# End of the text within the texts; size of the image; number of its objects, also of those that training ignores.
INDEX = np.dtype([("end", "<u8"), ("width", "<u4"), ("height", "<u4"), ("objects", "<u4")])
SPACE = re.compile(r"[ \t\n\r]*")


def samples_file(annotations: Path) -> Path:
    """Returns the path of the samples of an annotation file."""
    return annotations.with_suffix(".samples")


def write_samples(annotations: Path) -> None:
    """Writes the samples of a checked annotation file. The parsed file is never in memory as a whole, its text is."""
    text = annotations.read_bytes().decode()
    images, objects, categories = _find_records(text)
    index = np.zeros(len(images), INDEX)
    with write_atomic(samples_file(annotations)) as stream:
        stream.write(bytes(HEAD.itemsize))
        written = 0
        for number, (key, width, height, begin, end) in enumerate(images):
            spans = objects.get(key, ())
            records = [text[begin:end], *(text[spans[at] : spans[at + 1]] for at in range(0, len(spans), 2))]
            written += stream.write(f"[{','.join(records)}]".encode())
            index[number] = (written, width, height, len(records) - 1)
        stream.write(index.tobytes())
        size = stream.write(json.dumps(categories).encode())
        stream.seek(0)
        stream.write(np.array((MAGIC, len(images), written, size), HEAD).tobytes())


class Samples:
    """Mapped samples. `index` holds an INDEX record per image. Raises ValueError for a truncated or another file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with open(path, "rb") as stream:
            self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        head = np.zeros((), HEAD)
        if len(self._bytes) >= HEAD.itemsize:
            head = np.frombuffer(self._bytes, HEAD, 1)[0]
        count, texts, categories = (int(head[name]) for name in ("images", "texts", "categories"))
        begin = HEAD.itemsize + texts
        end = begin + count * INDEX.itemsize
        if head["magic"] != MAGIC or end + categories != len(self._bytes):
            raise ValueError(f"expected {path} to hold complete samples: prepare the data set again")
        self.index = np.frombuffer(self._bytes, INDEX, count, begin)
        self.categories: list[tuple[int, str]] = [(key, name) for key, name in json.loads(self._bytes[end:])]

    def __reduce__(self) -> tuple[type["Samples"], tuple[Path]]:
        """Copies and other processes map the file again."""
        return Samples, (self._path,)

    def __len__(self) -> int:
        return len(self.index)

    def read(self, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Returns the records of an image and of its objects, as the annotation file holds them."""
        begin = int(self.index["end"][number - 1]) if number else 0
        text = self._bytes[HEAD.itemsize + begin : HEAD.itemsize + int(self.index["end"][number])]
        image, *objects = json.loads(text.decode())
        return image, objects


Images = list[tuple[int, int, int, int, int]]


def _find_records(text: str) -> tuple[Images, Mapping[int, Sequence[int]], list[tuple[int, str]]]:
    """Returns (id, width, height, begin, end) of the images, begins and ends of objects by image, and categories."""
    images: Images = []
    objects: dict[int, array] = {}
    categories: list[tuple[int, str]] = []
    reader = _Reader(text)
    # As in json.loads, the last list of a name counts.
    for name in reader.names():
        if name == "images":
            images = [(one["id"], one["width"], one["height"], *span) for one, *span in reader.elements()]
        elif name == "annotations":
            objects = defaultdict(lambda: array("Q"))
            for one, *span in reader.elements():
                objects[one["image_id"]].extend(span)
        elif name == "categories":
            categories = [(one["id"], one["name"]) for one, *_ in reader.elements()]
        else:
            reader.value()
    return images, objects, categories


class _Reader:
    """Reads a valid JSON object step by step. The caller reads the value of each name."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._decode = json.JSONDecoder().raw_decode

    def names(self) -> Iterator[str]:
        """Yields the names of the members of an object."""
        for _ in self._parts("}"):
            name = self.value()
            self._next()
            yield name

    def elements(self) -> Iterator[tuple[Any, int, int]]:
        """Yields the elements of a list with their begin and end in the text."""
        for _ in self._parts("]"):
            begin = self._skip()
            yield self.value(), begin, self._at

    def value(self) -> Any:
        value, self._at = self._decode(self._text, self._skip())
        return value

    def _parts(self, end: str) -> Iterator[None]:
        """Yields at each part: past the opening bracket, then past each comma."""
        self._next()
        if self._text[self._skip()] == end:
            self._next()
            return
        yield
        while self._next() != end:
            yield

    def _next(self) -> str:
        """Returns the next character that is no space, and moves past it."""
        self._at = self._skip() + 1
        return self._text[self._at - 1]

    def _skip(self) -> int:
        match = SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at
