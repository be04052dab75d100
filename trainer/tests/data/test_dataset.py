import json
from pathlib import Path

import pytest
from own_data import OwnData

from everswin_trainer.data.dataset import PreparedData, find_prepared


def test_classes_keep_the_order_of_the_annotation_file(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    for split in (own.train, own.val):
        split["categories"].reverse()
    assert own.prepare()["ok"]
    assert PreparedData.at(own.into).classes() == ("nut", "bolt")


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"v": 2}'])
def test_a_folder_without_a_valid_manifest_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(ValueError, match=r"dataset\.json to describe a data set"):
        PreparedData.at(tmp_path)


@pytest.mark.parametrize("damage", ["train.index", "val.json", "train.samples", "images/val/5.jpg", "dataset.json"])
def test_a_damaged_folder_is_prepared_again(tmp_path: Path, damage: str) -> None:
    own = OwnData(tmp_path, changes={"extract": True})
    assert own.prepare()["ok"]
    assert find_prepared(own.into, "a" * 64) is not None
    assert find_prepared(own.into, "0" * 64) is None
    content = (own.into / damage).read_bytes()
    (own.into / damage).write_bytes(content[:-2])
    assert find_prepared(own.into, "a" * 64) is None
    (own.into / damage).unlink()
    assert find_prepared(own.into, "a" * 64) is None
    assert own.prepare()["reused"] is False
    assert (own.into / damage).read_bytes()[:10] == content[:10]


def test_a_folder_without_its_archive_is_not_reused(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    assert own.prepare()["ok"]
    assert own.prepare()["reused"] is True
    (tmp_path / "images.zip").unlink()
    assert find_prepared(own.into, "a" * 64) is None


def test_a_folder_without_samples_gets_them_without_another_check(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    own.prepare()
    complete = {path.name: path.read_bytes() for path in own.into.iterdir()}
    # As an earlier version left it.
    manifest = json.loads(complete["dataset.json"])
    for split in manifest["splits"].values():
        name = split.pop("samples")
        del manifest["files"][name]
        (own.into / name).unlink()
    (own.into / "dataset.json").write_text(json.dumps(manifest))
    assert PreparedData.at(own.into).samples("train") is None
    assert own.prepare()["reused"] is True
    assert {path.name for path in own.into.iterdir()} == complete.keys()
    assert all(
        (own.into / f"{split}.samples").read_bytes() == complete[f"{split}.samples"] for split in ("train", "val")
    )
    assert find_prepared(own.into, "a" * 64) == json.loads(complete["dataset.json"])
