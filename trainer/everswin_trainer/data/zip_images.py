"""MMEngine file backend that reads images from an archive by offset, without unpacking it.

`LoadImageFromFile(backend_args={"backend": "zip", "archive": …, "index": …})`. A loader process holds one descriptor
and a mapped index. Reads use pread, so forked processes can share the descriptor.
"""

import os
import zlib
from pathlib import Path

from mmengine.fileio import BaseStorageBackend, register_backend

from everswin_trainer.data.image_index import ImageIndex
from everswin_trainer.data.zip_directory import DEFLATED


@register_backend("zip")
class ZipImages(BaseStorageBackend):
    """Images of one archive. MMEngine creates and keeps one instance per archive and process.

    A process verifies the CRC-32 of an image at the first read, later only its size. The preparation has verified
    every byte, and a CRC at every read would slow loading by 3 %.
    """

    def __init__(self, archive: str, index: str) -> None:
        self._archive = archive
        self._index = ImageIndex(Path(index))
        self._checked = bytearray(len(self._index))
        self._descriptor = os.open(archive, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def get(self, filepath: str) -> bytes:
        """Returns the image's bytes. Raises FileNotFoundError, and OSError for a damaged image."""
        number = self._index.find(filepath)
        if number is None:
            raise FileNotFoundError(
                f"{self._archive} does not hold {filepath}: it was missing when the data set was prepared"
            )
        location = self._index.location(number)
        content = os.pread(self._descriptor, location.compressed, location.offset)
        if location.method == DEFLATED:
            try:
                content = zlib.decompress(content, -zlib.MAX_WBITS, location.size)
            except zlib.error as error:
                raise self._damaged(filepath) from error
        if len(content) != location.size or not (self._checked[number] or zlib.crc32(content) == location.crc):
            raise self._damaged(filepath)
        self._checked[number] = True
        return content

    def get_text(self, filepath: str, encoding: str = "utf-8") -> str:
        return self.get(filepath).decode(encoding)

    def _damaged(self, filepath: str) -> OSError:
        return OSError(
            f"{filepath} in {self._archive} is damaged: its bytes changed after the data set was prepared. "
            "Download the archive again"
        )
