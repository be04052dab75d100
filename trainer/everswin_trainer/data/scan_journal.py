"""Results of an unfinished check of archives, so that the next one reads only what is missing.

One JSON line for each scanned range of entries. An archive is identified by the hash that its download verified.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from everswin_trainer.data.archive_scan import ScannedImage, ScanResult

Range = tuple[str, int, int]


class ScanJournal:
    """The journal of one data set at `path`. A torn last line is ignored."""

    def __init__(self, path: Path, content_key: str) -> None:
        self._path, self._content_key = path, content_key
        self._done = dict(self._read())

    def find(self, part: Range) -> ScanResult | None:
        """Returns the earlier result of a range; None if it has to be read."""
        return self._done.get(part)

    def add(self, part: Range, result: ScanResult) -> None:
        """Appends a result, if the disk has space. Damaged entries are read again: the archive may be replaced."""
        if result.problems:
            return
        line = {"key": self._content_key, "range": part, "bytes": result.bytes, "images": result.images}
        with suppress(OSError), open(self._path, "a") as stream:
            stream.write(json.dumps(line) + "\n")

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def _read(self) -> Iterator[tuple[Range, ScanResult]]:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        for line in lines:
            try:
                one = json.loads(line)
                if one["key"] == self._content_key:
                    archive, first, last = one["range"]
                    yield (archive, first, last), ScanResult(one["bytes"], [], [_image(raw) for raw in one["images"]])
            except (ValueError, KeyError, TypeError):
                continue


def _image(raw: list[Any]) -> ScannedImage:
    number, offset, size, stored_size, *rest = raw
    return ScannedImage(number, offset, size and tuple(size), stored_size and tuple(stored_size), *rest)
