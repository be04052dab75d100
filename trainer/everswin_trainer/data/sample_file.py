"""File with the samples of a split: the annotations grouped by image, for all ranks and loader workers to map.

Layout: HEAD; one text per image, a JSON list of its record and those of its objects, copied from the annotation file;
one INDEX record per image; the categories, a JSON list of [id, name]. Images are in the order of the annotation file.
Processes share the mapped pages, so the annotations of COCO take no memory per process and no time to load.
"""

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from everswin_trainer.data.annotation_text import Layout, parse
from everswin_trainer.system.atomic_file import write_atomic

MAGIC = b"EVSWSMP1"
# Number of images; bytes of the texts, and of the categories.
HEAD = np.dtype([("magic", "S8"), ("images", "<u8"), ("texts", "<u8"), ("categories", "<u8")])
# End of the text within the texts; size of the image; number of its objects, also of those that training ignores.
INDEX = np.dtype([("end", "<u8"), ("width", "<u4"), ("height", "<u4"), ("objects", "<u4")])


def samples_file(annotations: Path) -> Path:
    """Returns the path of the samples of an annotation file."""
    return annotations.with_suffix(".samples")


def write_samples(annotations: Path, layout: Layout | None = None) -> None:
    """Writes the samples of a checked annotation file. Parses the file unless its layout is given."""
    content = annotations.read_bytes()
    images, objects, categories = layout or Layout.of(parse(content.decode()))
    # Positions count characters.
    text = None if content.isascii() else content.decode()
    index = np.zeros(len(images), INDEX)
    with write_atomic(samples_file(annotations)) as stream:
        stream.write(bytes(HEAD.itemsize))
        written = 0
        for number, (key, width, height, begin, end) in enumerate(images):
            spans = objects.get(key, ())
            parts = [(begin, end), *zip(spans[::2], spans[1::2], strict=True)]
            if text is None:
                records = [content[begin:end] for begin, end in parts]
            else:
                records = [text[begin:end].encode() for begin, end in parts]
            written += stream.write(b"[%b]" % b",".join(records))
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
