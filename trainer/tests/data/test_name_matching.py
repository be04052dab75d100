import unicodedata
from collections.abc import Callable

import pytest

from everswin_trainer.data.name_matching import explain_missing

NAMES = ["Zoë a.jpg", "Äpfel b.jpg", "é c.jpg"]
Rename = Callable[[str], str]
# file_name, path in the archive, folder of "images", and the expected remedy.
CASES: dict[str, tuple[Rename, Rename, str, str]] = {
    "a prefix": (lambda n: f"images/{n}", str, "", 'without the prefix "images/" ('),
    "the folder twice": (
        lambda n: f"images/{n}",
        lambda n: f"images/{n}",
        "images",
        'with "images": "all.zip" (file_name is "images/Zoë a.jpg", the file "Zoë a.jpg"). '
        'Set "images" of train to "all.zip"',
    ),
    "a dot": (lambda n: f"./{n}", str, "", 'without the prefix "./" ('),
    "backslashes": (
        lambda n: f"images\\train\\{n}",
        lambda n: f"train/{n}",
        "train",
        'without the prefix "images/train/" and with "/" instead of backslashes (',
    ),
    "an absolute path": (lambda n: f"/home/me/{n}", lambda n: f"val/{n}", "val", 'without the prefix "/home/me/" ('),
    "a drive letter": (lambda n: f"C:\\me\\{n}", str, "", 'without the prefix "C:/me/" and with "/" instead of'),
    "upper case": (str.upper, str, "", "in the same case ("),
    "an ending in upper case": (lambda n: n.replace("jpg", "JPG"), str, "", "in the same case ("),
    "composed accents": (
        lambda n: unicodedata.normalize("NFC", n),
        lambda n: unicodedata.normalize("NFD", n),
        "",
        "with the same accents, which look alike (file_name has single characters (NFC), "
        "the archive letters and combining accents (NFD, as macOS writes them)) (",
    ),
    "combining accents": (
        lambda n: unicodedata.normalize("NFD", n),
        lambda n: unicodedata.normalize("NFC", n),
        "",
        "with the same accents, which look alike (file_name has letters and combining accents (NFD",
    ),
    "no ending": (lambda n: n[:-4], str, "", 'with the ending ".jpg" ('),
    "another ending": (lambda n: n[:-3] + "png", str, "", 'with the ending ".jpg" instead of ".png" ('),
    "a related ending": (lambda n: n[:-3] + "jpeg", str, "", 'with the ending ".jpg" instead of ".jpeg" ('),
    "an encoded space": (lambda n: n.replace(" ", "%20"), str, "", 'instead of URL encoding such as "%20" ('),
    "an encoded space in the archive": (str, lambda n: n.replace(" ", "%20"), "", "instead of URL encoding"),
    "a top folder": (str, lambda n: f"data/{n}", "", 'with "images": "all.zip/data" ('),
    "another folder": (str, lambda n: f"data/train/{n}", "train", 'Set "images" of train to "all.zip/data/train"'),
    "a folder of each class": (str, lambda n: f"train/{n[0]}/{n}", "train", "in 3 folders of all.zip ("),
    "an upload prefix": (lambda n: f"1a2b3c4d-{n}", str, "", "without the prefix that Label Studio adds"),
    "an upload prefix in the archive": (
        str,
        lambda n: f"1a2b3c4d-{n}",
        "",
        "without the prefix that Label Studio adds",
    ),
    "a UUID": (lambda n: f"01234567-89ab-cdef-0123-456789abcdef-{n}", str, "", "without the prefix that Label Studio"),
    "a Roboflow export": (lambda n: f"{n[:-4]}_jpg.rf.{'0f' * 16}.jpg", str, "", "without the suffix that Roboflow"),
    "a local file of Label Studio": (lambda n: f"/data/local-files/?d=set/{n}", str, "", 'without the prefix "/data/'),
    "a URL": (lambda n: f"https://host.org/a/{n}?raw=1", str, "", "with a path instead of a URL ("),
    "a bucket": (lambda n: f"s3://bucket/{n}", str, "", 'without the prefix "s3://bucket/" ('),
    "a trailing space": (lambda n: f"{n} ", str, "", "without invisible characters and spaces at the ends ("),
    "a byte order mark": (lambda n: f"\ufeff{n}", str, "", "without invisible characters and spaces at the ends ("),
    "a garbled name": (lambda n: n.encode().decode("latin-1"), str, "", "in the same text encoding ("),
    "underscores": (lambda n: n.replace(" ", "_"), str, "", "with the same spaces, underscores and hyphens ("),
    "several differences": (
        lambda n: f"images\\{n.upper()}",
        lambda n: f"top/{n}",
        "",
        'without the prefix "images/" and with "/" instead of backslashes and in the same case and with "images": '
        '"all.zip/top" (',
    ),
}


@pytest.mark.parametrize("title", CASES)
def test_explain_missing_gives_the_remedy(title: str) -> None:
    listed, stored, folder, remedy = CASES[title]
    lines = explain_missing([listed(n) for n in NAMES], [stored(n) for n in NAMES], "all.zip", folder, "train")
    assert len(lines) == 1, lines
    assert lines[0].startswith("train: all 3 missing images would match ")
    assert remedy in lines[0]


def test_explain_missing_prefers_the_folder_that_explains_most_names() -> None:
    available = ["train/1.jpg", "val/1.jpg", "val/2.jpg", "train/2.jpg", "train/3.jpg"]
    (line,) = explain_missing(["1.jpg", "2.jpg", "3.jpg"], available, "all.zip", "", "train")
    assert line.endswith('Set "images" of train to "all.zip/train"')


def test_explain_missing_counts_the_names_that_would_match() -> None:
    (line,) = explain_missing(["images/1.jpg", "images/2.jpg", "3.jpg"], ["1.jpg", "2.jpg"], "all.zip", "", "val")
    assert line.startswith('val: 2 of the 3 missing images would match without the prefix "images/" (')
    assert explain_missing(["3.jpg"], ["1.jpg", "2.jpg"], "all.zip", "", "val") == []


def test_explain_missing_gives_one_line_when_each_image_has_another_prefix() -> None:
    names = [f"{n}.jpg" for n in range(40)]
    lines = explain_missing([f"task-{n}/{n}.jpg" for n in range(40)], names, "all.zip", "", "val")
    assert len(lines) == 1
    assert "all 40 missing images would match without the folders" in lines[0]
