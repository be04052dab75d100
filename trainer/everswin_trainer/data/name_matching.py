"""Finds out by what the names of listed images differ from those in the archive, for the remedy in the message."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from everswin_trainer.data.zip_directory import quote

IMAGE_ENDING = re.compile(r"(\.(jpe?g|jfif|png|bmp|tiff?|webp|gif|jp2|avif|ppm|heic))+$", re.IGNORECASE)
# Label Studio prepends eight hexadecimal digits or a UUID to the name of an uploaded file.
UPLOAD_PREFIX = re.compile(r"(?<![^/])[0-9a-f]{8}(-[0-9a-f]{4}){0,4}([0-9a-f]{8})?-")
# Roboflow appends the old ending and a hash: `a_jpg.rf.0123….jpg`.
ROBOFLOW_SUFFIX = re.compile(r"_(jpe?g|png|bmp|webp)\.rf\.[0-9A-Za-z]{16,}(?=\.)")
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
# Most names differ in one way, some in two; more is not worth the search.
MOST_DIFFERENCES = 4
MOST_CANDIDATES = 20
MOST_LINES = 5


class Difference(NamedTuple):
    """A way in which two names may differ. `removed` returns a name without it; `remedy` completes "would match …"."""

    removed: Callable[[str], str]
    remedy: Callable[[str, str], str]


class Place(NamedTuple):
    """The archive, the folder in it and the split whose images are missing."""

    archive: str
    folder: str
    split: str


class Match(NamedTuple):
    """A file that a missing image may mean. Without the `prefix`, its name matches in `folder` of the archive."""

    differences: tuple[Difference, ...]
    prefix: str
    folder: str
    name: str
    path: str

    def remedy(self) -> tuple[tuple[str, ...], str]:
        remedies = [difference.remedy(self.name, self.path) for difference in self.differences]
        if self.prefix:
            remedies.insert(0, f"without the prefix {quote(self.prefix)}")
        return tuple(remedies), self.folder


def explain_missing(
    missing: Sequence[str], available: Iterable[str], archive: str, folder: str, split: str
) -> list[str]:
    """Returns one line for each way in which names of missing images would match files of the archive.

    `available` holds paths in the archive that belong to no listed image; the images are expected in `folder`.
    """
    by_key: dict[str, list[str]] = defaultdict(list)
    for path in available:
        by_key[_key(path)].append(path)
    recent: list[tuple[Difference, ...]] = []
    matches = []
    for name in missing:
        paths = by_key.get(_key(name), ())[:MOST_CANDIDATES]
        matches.append([match for path in paths if (match := _match(name, path, folder, recent))])
    # A name that occurs in several folders means the folder that explains most other names.
    folders = Counter(match.folder for found in matches for match in found)
    groups: dict[tuple[tuple[str, ...], str], list[Match]] = defaultdict(list)
    for found in filter(None, matches):
        best = min(
            found,
            key=lambda match: (len(match.differences) + bool(match.prefix), -folders[match.folder], match.folder),
        )
        groups[best.remedy()].append(best)
    place = Place(archive, folder, split)
    return _format_groups(groups, len(missing), place)


def _key(name: str) -> str:
    """Returns what is left of a name without any difference."""
    for difference in DIFFERENCES:
        name = difference.removed(name)
    return _file_name(name)


def _match(name: str, path: str, folder: str, recent: list[tuple[Difference, ...]]) -> Match | None:
    """Finds the fewest differences between a name and a path in the archive; `recent` are tried first."""
    changing = [one for one in DIFFERENCES if one.removed(name) != name or one.removed(path) != path]
    choices = [choice for choice in recent if set(choice) <= set(changing)]
    choices += [choice for count in range(MOST_DIFFERENCES + 1) for choice in combinations(changing, count)]
    for choice in choices:
        wanted, actual = name, path
        for difference in choice:
            wanted, actual = difference.removed(wanted), difference.removed(actual)
        if _file_name(wanted) != _file_name(actual):
            continue
        if choice not in recent:
            recent.append(choice)
            recent.sort(key=len)
        shared = _count_shared_parts(wanted, actual)
        if shared < wanted.count("/") + 1 and (not folder or path.startswith(f"{folder}/")):
            # file_name has to change anyway, so that the folder may stay.
            shared = min(shared, len(path.split("/")) - len(folder.split("/")) * bool(folder))
        prefix = "".join(f"{part}/" for part in wanted.split("/")[:-shared])
        return Match(choice, prefix, "/".join(path.split("/")[:-shared]), name, path)
    return None


def _format_groups(groups: dict[tuple[tuple[str, ...], str], list[Match]], missing: int, place: Place) -> list[str]:
    by_remedy: dict[tuple[str, ...], list[Match]] = defaultdict(list)
    for (remedies, _), matches in groups.items():
        by_remedy[remedies] += matches
    if len(by_remedy) > MOST_LINES:
        # Each image has another prefix or ending.
        everything = [match for matches in by_remedy.values() for match in matches]
        by_remedy = {("without the folders and other differences",): everything}
    ordered = sorted(by_remedy.items(), key=lambda one: -len(one[1]))
    return [_format_line(remedies, matches, missing, place) for remedies, matches in ordered]


def _format_line(remedies: tuple[str, ...], matches: list[Match], missing: int, place: Place) -> str:
    archive, folder, split = place
    conditions, steps = list(remedies), ["change file_name in the annotations"] if remedies else []
    folders = {match.folder for match in matches}
    if len(folders) > 1:
        conditions.append(f"in {len(folders)} folders of {archive}")
        steps = ["write the folder into file_name in the annotations"]
    elif folders != {folder}:
        setting = quote(f"{archive}/{folders.pop()}".rstrip("/"))
        conditions.append(f'with "images": {setting}')
        steps.append(f'set "images" of {split} to {setting}')
    count = len(matches)
    subject = f"{count} of the {missing} missing images" if count < missing else f"all {count} missing images"
    first = matches[0]
    inside = first.path.removeprefix(f"{folder}/") if folder else first.path
    example = f"file_name is {quote(first.name)}, the file {quote(inside)}"
    return (
        f"{split}: {'the missing image' if missing == 1 else subject} would match {' and '.join(conditions)} "
        f"({example}). {_capitalize(' and '.join(steps))}"
    )


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def _count_shared_parts(one: str, other: str) -> int:
    count = 0
    for left, right in zip(reversed(one.split("/")), reversed(other.split("/")), strict=False):
        if left != right:
            break
        count += 1
    return count


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def _without_url(name: str) -> str:
    """Returns the path of a URL, also of one that Label Studio serves (`/data/local-files/?d=path`)."""
    if "?d=" in name:
        return unquote(name.partition("?d=")[2])
    return urlsplit(name).path.lstrip("/") if "://" in name else name.partition("?")[0]


def _simplify_path(name: str) -> str:
    return "/".join(part for part in re.sub("^[A-Za-z]:/", "/", name).split("/") if part not in ("", ".", ".."))


def _repair_encoding(name: str) -> str:
    """Returns a name whose UTF-8 or Windows bytes were read as another code page."""
    for wrong, right in (("cp1252", "utf-8"), ("latin-1", "utf-8"), ("cp437", "utf-8")):
        try:
            return name if name.isascii() else name.encode(wrong).decode(right)
        except UnicodeError:
            continue
    return name


def _without_padding(name: str) -> str:
    return re.sub(r"(?<![^/])0+(?=[0-9]+(\.[A-Za-z]+)?$)", "", name)


def _describe_ending(name: str, path: str) -> str:
    wanted, actual = (IMAGE_ENDING.search(one) for one in (name, path))
    if wanted is None or actual is None:
        return f"with the ending {quote(actual[0])}" if actual else "without the ending"
    return f"with the ending {quote(actual[0])} instead of {quote(wanted[0])}"


def _describe_accents(name: str, path: str) -> str:
    forms = [
        "letters and combining accents (NFD, as macOS writes them)"
        if unicodedata.normalize("NFC", one) != one
        else "single characters (NFC)"
        for one in (name, path)
    ]
    return f"with the same accents, which look alike (file_name has {forms[0]}, the archive {forms[1]})"


# In the order in which they are removed.
DIFFERENCES = (
    Difference(lambda name: name.replace("\\", "/"), lambda *_: 'with "/" instead of backslashes'),
    Difference(_without_url, lambda *_: "with a path instead of a URL"),
    Difference(unquote, lambda *_: 'with plain characters instead of URL encoding such as "%20"'),
    Difference(_simplify_path, lambda *_: 'without "./", "../", a drive letter and a leading "/"'),
    Difference(_repair_encoding, lambda *_: "in the same text encoding (one of the two names is garbled)"),
    Difference(lambda name: unicodedata.normalize("NFC", name), _describe_accents),
    Difference(
        lambda name: "/".join(part.strip() for part in INVISIBLE.sub("", name).split("/")),
        lambda *_: "without invisible characters and spaces at the ends",
    ),
    Difference(lambda name: ROBOFLOW_SUFFIX.sub("", name), lambda *_: "without the suffix that Roboflow adds"),
    Difference(
        lambda name: UPLOAD_PREFIX.sub("", name),
        lambda *_: 'without the prefix that Label Studio adds to uploads, such as "1a2b3c4d-"',
    ),
    Difference(str.casefold, lambda *_: "in the same case"),
    Difference(lambda name: IMAGE_ENDING.sub("", name), _describe_ending),
    Difference(_without_padding, lambda *_: "with the same number of leading zeros"),
    Difference(lambda name: re.sub(r"[\s_+-]+", "_", name), lambda *_: "with the same spaces, underscores and hyphens"),
)
