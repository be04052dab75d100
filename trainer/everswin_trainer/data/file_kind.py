"""Names the kind of a file by its first bytes, for messages about files that are not what they should be."""

# (offset, first bytes, kind).
SIGNATURES = (
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"PK\x07\x08", "one part of a split zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"\x1f\x8b", "a gzip file (.gz or .tar.gz)"),
    (0, b"BZh", "a bzip2 file (.bz2 or .tar.bz2)"),
    (0, b"\xfd7zXZ\0", "an xz file (.xz or .tar.xz)"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file (.zst or .tar.zst)"),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file (.lz4)"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"SQLite format 3\0", "a SQLite database"),
    (0, b"\x93NUMPY", "a NumPy file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"version https://git-lfs", "a Git LFS pointer instead of the content (run `git lfs pull`)"),
    (0, b"8BPS", "a Photoshop image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\0\0\0\x0cJXL \r\n", "a JPEG XL image"),
    (128, b"DICM", "a DICOM image"),
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
TEXT_KINDS = (
    ((b"<!doctype html", b"<html", b"<head", b"<body"), "an HTML page, such as a login or error page"),
    ((b"<svg",), "an SVG drawing"),
    ((b"<?xml", b"<error"), "an XML document"),
    ((b"{", b"["), "a JSON document"),
)


def name_kind(head: bytes) -> str | None:
    """Returns the kind of a file with an article, by its first 512 bytes or more; None if it is unknown."""
    for offset, signature, kind in SIGNATURES:
        if head.startswith(signature, offset):
            return kind
    if head[4:8] == b"ftyp":
        return BRANDS.get(head[8:12], "a video")
    text = head[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for starts, kind in TEXT_KINDS:
        if text.startswith(starts):
            return "an SVG drawing" if b"<svg" in text else kind
    return None
