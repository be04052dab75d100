"""MMEngine's file backend that reads images out of an archive, by offset: nothing is ever unpacked.

`LoadImageFromFile(backend_args={"backend": "zip", "archive": …, "index": …})`. A loader process holds one descriptor
and a mapped index; reads name their offset, so a descriptor that was open before a fork is as good as one's own.
"""

import os
import zlib
from pathlib import Path

from mmengine.fileio import BaseStorageBackend, register_backend

from everswin_trainer.data.image_index import ImageIndex
from everswin_trainer.data.zip_list import DEFLATED


@register_backend("zip")
class ZipImages(BaseStorageBackend):
    """MMEngine makes one for each archive in each process and keeps it.

    Every byte was checked when the data set was prepared. A process checks each image's CRC-32 once more when it reads
    it for the first time, and later only that all of it is there: at every read, the check would cost 3 % of loading.
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
        """The image's bytes. Raises FileNotFoundError, and OSError if they are not those that were put in."""
        number = self._index.find(filepath)
        if number is None:
            raise FileNotFoundError(
                f"expected {self._archive} to hold {filepath}: it was not there when it was checked"
            )
        place = self._index.place(number)
        content = os.pread(self._descriptor, place.packed, place.offset)
        if place.method == DEFLATED:
            try:
                content = zlib.decompress(content, -zlib.MAX_WBITS, place.size)
            except zlib.error as error:
                raise self._damaged(filepath) from error
        if len(content) != place.size or not (self._checked[number] or zlib.crc32(content) == place.crc):
            raise self._damaged(filepath)
        self._checked[number] = True
        return content

    def get_text(self, filepath: str, encoding: str = "utf-8") -> str:
        return self.get(filepath).decode(encoding)

    def _damaged(self, filepath: str) -> OSError:
        return OSError(
            f"{filepath} in {self._archive} is damaged: its bytes were right when the data set was prepared. "
            "Fetch the archive again"
        )
