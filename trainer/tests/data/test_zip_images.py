"""Checks that batches from an archive equal those from files, and that errors name the damaged image."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import Runner
from own_data import OwnData, prepare_mini
from zips import zip_of

from conftest import PLAN, TRAINER
from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.data.image_index import ImageIndex, ImageLocation, write_index
from everswin_trainer.data.zip_images import ZipImages
from everswin_trainer.demo import mini_coco
from everswin_trainer.job.control import TrainerControl
from everswin_trainer.job.plan import Plan
from everswin_trainer.model import mmcv_ops
from everswin_trainer.model.build_config import build_config
from everswin_trainer.model.recipe import load_recipe

RECIPE = TRAINER.parent / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"
CONTROL = TrainerControl(epochs=1, checkpoint_now=0, learning_rate_factor=1.0, fp32=False, accumulate=1, gpus=1)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Prepares the demo's data twice: inside the archives, and extracted."""
    mmcv_ops.install()
    from mmdet.utils import register_all_modules

    from everswin_trainer.data import mapped_dataset  # noqa: F401  (register what build_config names)
    from everswin_trainer.training import batches, randomness  # noqa: F401

    register_all_modules(init_default_scope=True)
    root = tmp_path_factory.mktemp("mini")
    assert mini_coco.main(["--out", str(root)]) == 0
    for name, extract in (("zip", False), ("files", True)):
        assert prepare_mini(root, root / name, extract)["ok"]
    return {name: root / name for name in ("zip", "files")}


def read_batches(folder: Path, loader: str, workers: int) -> list[Any]:
    (folder.parent / "plan.json").write_text(json.dumps({**PLAN, "seed": 4, "loaderWorkers": workers}))
    plan = Plan.load(folder.parent / "plan.json")
    data = PreparedData.at(folder)
    config = build_config(load_recipe(RECIPE, None), plan, CONTROL, data, folder, "cpu", None).config
    config[loader].persistent_workers = False
    return list(Runner.build_dataloader(config[loader], seed=4))


def plain(value: Any) -> Any:
    """Returns the tensors and names of a batch without image paths."""
    if isinstance(value, torch.Tensor):
        return (value.dtype, tuple(value.shape), value.numpy().tobytes())
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if hasattr(value, "gt_instances"):
        truth = value.gt_instances
        known = {key: one for key, one in value.metainfo.items() if key != "img_path"}
        masks = truth.masks.masks.tobytes() if "masks" in truth else None
        return [repr(known), plain(truth.bboxes.tensor), plain(truth.labels), masks]
    return repr(value)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("loader", ["train_dataloader", "val_dataloader"])
def test_batches_from_the_archive_equal_those_from_files_bit_for_bit(
    both: dict[str, Path], loader: str, workers: int
) -> None:
    batches = {name: read_batches(folder, loader, workers) for name, folder in both.items()}
    assert len(batches["zip"]) >= 20
    assert plain(batches["zip"]) == plain(batches["files"])
    paths = {name: batches[name][0]["data_samples"][0].img_path for name in both}
    assert paths["files"].startswith(str(both["files"]))
    assert not Path(paths["zip"]).exists()


def test_different_loaders_give_different_batches(both: dict[str, Path]) -> None:
    first, second = (plain(read_batches(both["zip"], loader, 0)) for loader in ("train_dataloader", "val_dataloader"))
    assert first != second


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_reading_a_damaged_image_raises_an_error_with_archive_and_entry(tmp_path: Path, method: int) -> None:
    own = OwnData(tmp_path)
    own.archive = zip_of(own.images, method)
    assert own.prepare()["ok"]
    archive = tmp_path / "images.zip"
    images = ZipImages(str(archive), str(own.into / "train.index"))
    index = ImageIndex(own.into / "train.index")
    location = index.location(index.find("train/1.jpg") or 0)
    content = bytearray(archive.read_bytes())
    content[location.offset + location.compressed // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(OSError, match=rf"train/1\.jpg in {archive} is damaged"):
        images.get("train/1.jpg")
    assert images.get("train/2.jpg") == own.images["train/2.jpg"]
    os.truncate(archive, location.offset + 10)
    with pytest.raises(OSError, match=rf"train/1\.jpg in {archive} is damaged"):
        images.get("train/1.jpg")


def test_reading_a_missing_image_raises_an_error_with_its_name(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    assert own.prepare()["ok"]
    images = ZipImages(str(tmp_path / "images.zip"), str(own.into / "train.index"))
    with pytest.raises(FileNotFoundError, match="train/9.jpg"):
        images.get("train/9.jpg")
    with pytest.raises(FileNotFoundError, match="val/5.jpg"):
        images.get("val/5.jpg")


def test_a_descriptor_opened_before_a_fork_works_in_both_processes(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    assert own.prepare()["ok"]
    images = ZipImages(str(tmp_path / "images.zip"), str(own.into / "train.index"))
    right = [own.images[f"train/{n}.jpg"] for n in (1, 2)]
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            good = all([images.get(f"train/{n}.jpg") for n in (1, 2)] == right for _ in range(300))
            os._exit(0 if good else 1)
        children.append(child)
    assert all([images.get(f"train/{n}.jpg") for n in (1, 2)] == right for _ in range(300))
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]


def test_an_index_finds_every_name_and_no_other(tmp_path: Path) -> None:
    places = {
        f"träin/{n * 7919 % 1000:04d}.jpg": ImageLocation(n, n + 1, n + 2, n + 3, 8 * (n % 2)) for n in range(1000)
    }
    write_index(tmp_path / "index", places.items())
    index = ImageIndex(tmp_path / "index")
    assert {name: index.location(index.find(name) or 0) for name in places} == places
    assert dict(index.all()) == places
    assert [index.find(name) for name in ("", "träin/", "träin/0000.jpg~", "zzz")] == [None] * 4


@pytest.mark.parametrize("cut", [1, 5, 9, 20, 50, 80])
def test_a_truncated_index_is_refused(tmp_path: Path, cut: int) -> None:
    write_index(tmp_path / "index", [("a.jpg", ImageLocation(1, 2, 3, 4, 0))])
    os.truncate(tmp_path / "index", (tmp_path / "index").stat().st_size - cut)
    with pytest.raises(ValueError, match="complete image index"):
        ImageIndex(tmp_path / "index")
