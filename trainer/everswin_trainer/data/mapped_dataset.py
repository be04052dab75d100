"""MMDetection's CocoDataset without the annotations in memory: each sample is read from a mapped file when needed."""

from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS

from everswin_trainer.data.sample_file import Samples


@DATASETS.register_module()
class MappedCocoDataset(CocoDataset):
    """Gives the samples of CocoDataset, in its order and with its filters, from the file `samples` (sample_file.py).

    `data_list` holds the numbers of the images. Raises ValueError if the classes are not those of the file.
    """

    def __init__(self, *args: Any, samples: str, **settings: Any) -> None:
        self._samples = Samples(Path(samples))
        super().__init__(*args, **{**settings, "serialize_data": False})

    def load_data_list(self) -> np.ndarray:
        keys, names = zip(*self._samples.categories, strict=True)
        if names != tuple(self.metainfo["classes"]):
            raise ValueError(f"expected the classes {names} of the samples, got {self.metainfo['classes']}")
        self.cat_ids = list(keys)
        self.cat2label = {key: label for label, key in enumerate(keys)}
        return np.arange(len(self._samples))

    def filter_data(self) -> np.ndarray:
        if self.test_mode or self.filter_cfg is None:
            return self.data_list
        index = self._samples.index
        kept = np.minimum(index["width"], index["height"]) >= self.filter_cfg.get("min_size", 0)
        if self.filter_cfg.get("filter_empty_gt", False):
            kept &= index["objects"] > 0
        return np.flatnonzero(kept)

    def sizes(self) -> np.ndarray:
        """Returns width and height (n, 2) of each image, as the annotations state them."""
        index = self._samples.index[self.data_list]
        return np.stack([index["width"], index["height"]], axis=1).astype(np.int64)

    def get_data_info(self, idx: int) -> dict[str, Any]:
        self.full_init()
        image, objects = self._samples.read(int(self.data_list[idx]))
        image["img_id"] = image["id"]
        info = self.parse_data_info({"raw_img_info": image, "raw_ann_info": objects})
        return {**info, "sample_idx": idx if idx >= 0 else len(self) + idx}
