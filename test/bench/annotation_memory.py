"""Hashes all samples of a prepared data set: `annotation_memory.py FOLDER mapped|stock`. Prints memory and times."""

import gc, hashlib, json, sys, time
from pathlib import Path
from memory import memory_maps
from everswin_trainer.model import mmcv_ops

mmcv_ops.install()
from mmdet.datasets import CocoDataset
from everswin_trainer.data.mapped_dataset import MappedCocoDataset
from everswin_trainer.data.dataset import PreparedData


def memory():
    lines = dict(l.split(":") for l in open("/proc/self/status") if ":" in l)
    kb = lambda t: int(t.split()[0]) >> 10
    return {
        "rssMiB": kb(lines["VmRSS"]),
        "anonMiB": kb(lines["RssAnon"]),
        "peakMiB": kb(lines["VmHWM"]),
        "privateDirtyMiB": int(memory_maps()["Private_Dirty"]),
    }


data, mode = PreparedData.at(Path(sys.argv[1])), sys.argv[2]
print(json.dumps({"mode": mode, "at": "imports", **memory()}), flush=True)
for split, options in (
    ("train", {"filter_cfg": {"filter_empty_gt": True, "min_size": 32}}),
    ("val", {"test_mode": True}),
):
    options |= {
        "ann_file": str(data.annotations(split)),
        "metainfo": {"classes": data.classes()},
        "data_prefix": {"img": data.image_prefix(split)},
    }
    begin = time.time()
    one = CocoDataset(**options) if mode == "stock" else MappedCocoDataset(samples=str(data.samples(split)), **options)
    ready = time.time() - begin
    print(json.dumps({"mode": mode, "at": f"{split} ready", "seconds": round(ready, 3), **memory()}), flush=True)
    digest = hashlib.sha256()
    begin = time.time()
    for number in range(len(one)):
        digest.update(repr(one.get_data_info(number)).encode())
    print(
        json.dumps(
            {
                "mode": mode,
                "at": f"{split} hashed",
                "samples": len(one),
                "sha256": digest.hexdigest(),
                "seconds": round(time.time() - begin, 1),
                **memory(),
            }
        ),
        flush=True,
    )
