"""Names the kind of a file by its first bytes, for messages about files that are not what they should be."""

from typing import Literal, NamedTuple

Group = Literal["archive", "image", "page", "pointer", "document", "JSON"]
# Enough for every signature below.
HEAD_BYTES = 512


class Kind(NamedTuple):
    """`name` has an article; `group` decides about the remedy."""

    name: str
    group: Group


# (offset, first bytes, kind).
SIGNATURES: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"PK\x03\x04", Kind("a zip archive", "archive")),
    (0, b"PK\x05\x06", Kind("an empty zip archive", "archive")),
    (0, b"PK\x07\x08", Kind("one part of a split zip archive", "archive")),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", "archive")),
    (0, b"Rar!\x1a\x07", Kind("a RAR archive", "archive")),
    (0, b"\x1f\x8b", Kind("a gzip file (.gz or .tar.gz)", "archive")),
    (0, b"BZh", Kind("a bzip2 file (.bz2 or .tar.bz2)", "archive")),
    (0, b"\xfd7zXZ\0", Kind("an xz file (.xz or .tar.xz)", "archive")),
    (0, b"\x28\xb5\x2f\xfd", Kind("a Zstandard file (.zst or .tar.zst)", "archive")),
    (0, b"\x04\x22\x4d\x18", Kind("an LZ4 file (.lz4)", "archive")),
    (0, b"!<arch>", Kind("an ar archive", "archive")),
    (257, b"ustar", Kind("a tar archive", "archive")),
    (0, b"\x89HDF\r\n\x1a\n", Kind("an HDF5 file", "document")),
    (0, b"PAR1", Kind("a Parquet file", "document")),
    (0, b"SQLite format 3\0", Kind("a SQLite database", "document")),
    (0, b"\x93NUMPY", Kind("a NumPy file", "document")),
    (0, b"%PDF", Kind("a PDF document", "document")),
    (0, b"version https://git-lfs", Kind("a Git LFS pointer instead of the content", "pointer")),
    (0, b"\xff\xd8\xff", Kind("a JPEG image", "image")),
    (0, b"\x89PNG", Kind("a PNG image", "image")),
    (0, b"GIF8", Kind("a GIF image", "image")),
    (0, b"II*\0", Kind("a TIFF image", "image")),
    (0, b"MM\0*", Kind("a TIFF image", "image")),
    (8, b"WEBP", Kind("a WebP image", "image")),
    (0, b"8BPS", Kind("a Photoshop image", "image")),
    (0, b"\xff\x0a", Kind("a JPEG XL image", "image")),
    (0, b"\0\0\0\x0cJXL \r\n", Kind("a JPEG XL image", "image")),
    (128, b"DICM", Kind("a DICOM image", "image")),
)
# Major brands of ISO media files: images and videos.
BRANDS = {
    b"heic": "a HEIC image",
    b"heix": "a HEIC image",
    b"heim": "a HEIC image",
    b"hevc": "a HEIC image sequence",
    b"mif1": "a HEIF image",
    b"msf1": "a HEIF image sequence",
    b"crx ": "a Canon raw image",
    b"avif": "an AVIF image",
    b"avis": "an AVIF image sequence",
}
TEXTS: tuple[tuple[tuple[bytes, ...], Kind], ...] = (
    ((b"<svg",), Kind("an SVG drawing", "image")),
    ((b"<!doctype html", b"<html", b"<head", b"<body"), Kind("an HTML page, such as a login or error page", "page")),
    ((b"<?xml", b"<error"), Kind("an XML document, such as an error message of a server", "page")),
    ((b"{", b"["), Kind("a JSON document", "JSON")),
)


def name_kind(head: bytes) -> Kind | None:
    """Returns the kind of a file by its first HEAD_BYTES bytes; None if it is unknown."""
    for offset, signature, kind in SIGNATURES:
        if head.startswith(signature, offset):
            return kind
    if head[4:8] == b"ftyp":
        return Kind(BRANDS.get(head[8:12], "a video"), "image")
    text = head[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<?xml") and b"<svg" in text:
        return TEXTS[0][1]
    return next((kind for starts, kind in TEXTS if text.startswith(starts)), None)
