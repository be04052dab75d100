"""Files of a data set to import: a folder, a zip file, or a folder with zip files in it."""

import os
from collections.abc import Callable
from pathlib import Path

from everswin_trainer.data.file_kind import name_kind
from everswin_trainer.data.zip_directory import Entry, Refused, is_hidden, quote, read_central_directory
from everswin_trainer.data.zip_entry import open_entry

MAX_FILES = 2_000_000


class CannotImport(Exception):
    """The data cannot be imported; the text says why and what to do."""


class Source:
    """Names and contents of all files below `path`. A zip file in a folder counts as a folder of its entries."""

    def __init__(self, path: Path, ignored: Path | None = None) -> None:
        self.path = path
        self._ignored = ignored
        self.is_zip = path.is_file()
        # Name -> reader. Names are relative to `path` and have slashes.
        self._readers: dict[str, Callable[[], bytes]] = {}
        if self.is_zip:
            self._add_zip(path, "")
        elif path.is_dir():
            self._add_folder(path)
        else:
            raise CannotImport(f"{path} does not exist.{_neighbors(path)}")

    @property
    def names(self) -> list[str]:
        return list(self._readers)

    def read(self, name: str) -> bytes:
        """Raises CannotImport if the file cannot be read."""
        try:
            return self._readers[name]()
        except (OSError, Refused) as error:
            raise CannotImport(f"{self.path}/{name} cannot be read: {error}") from error

    def place(self, name: str) -> tuple[Path, str]:
        """Returns the folder or zip file that holds a file or folder, and the path inside a zip file ("": none)."""
        if self.is_zip:
            return self.path, name
        parts = name.split("/")
        for count in range(1, len(parts) + 1):
            path = self.path.joinpath(*parts[:count])
            if path.suffix.lower() == ".zip" and path.is_file():
                return path, "/".join(parts[count:])
        return self.path / name if name else self.path, ""

    def _add_folder(self, folder: Path) -> None:
        for parent, folders, names in os.walk(folder):
            folders[:] = sorted(one for one in folders if not is_hidden(one) and Path(parent) / one != self._ignored)
            for name in sorted(names):
                path = Path(parent) / name
                if is_hidden(name):
                    continue
                inside = path.relative_to(folder).as_posix()
                if path.suffix.lower() == ".zip":
                    self._add_zip(path, f"{inside}/")
                else:
                    self._readers[inside] = path.read_bytes
                if len(self._readers) > MAX_FILES:
                    raise CannotImport(f"{folder} holds more than {MAX_FILES} files. Name the folder of the data set.")

    def _add_zip(self, path: Path, prefix: str) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            entries = read_central_directory(descriptor)
        except Refused as refused:
            os.close(descriptor)
            kind = name_kind(_head(path))
            what = str(refused)
            if kind and "zip archive" not in kind.name:
                what = f"it is {kind.name}"
            elif not kind and path.suffix.lower() != ".zip":
                what = "it is not a zip archive"
            raise CannotImport(
                f"{path} cannot be read: {what}. Expected a folder, a zip file or a JSON file in COCO format."
            ) from refused
        for entry in entries:
            if not any(is_hidden(part) for part in entry.name.split("/")):
                self._readers[prefix + entry.name] = _entry_reader(descriptor, entry)


def _entry_reader(descriptor: int, entry: Entry) -> Callable[[], bytes]:
    return lambda: b"".join(open_entry(descriptor, entry)[1])


def _head(path: Path) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(512)


def _neighbors(path: Path) -> str:
    """Lists what the nearest existing folder holds."""
    for parent in path.absolute().parents:
        if parent.is_dir():
            names = sorted(one.name for one in parent.iterdir() if not is_hidden(one.name))
            return f" {parent} holds {', '.join(map(quote, names[:8])) or 'nothing'}{', …' if len(names) > 8 else ''}."
    return ""
