"""Stores the detections of one checkpoint: two files in COCO's results format, and a manifest that is written last."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.checkpoints.checkpoint import Checkpoint
from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.job.folder import Job
from everswin_trainer.metrics.coco_scores import IOU_TYPES
from everswin_trainer.system.atomic_file import fsync_folder, read_json, write_json
from everswin_trainer.system.hashing import hash_file
from everswin_trainer.system.json_fields import has_fields, is_integer, is_number

# Results by IoU type (`bbox` and `segm`), each in COCO's results format.
Results = dict[str, list[dict[str, Any]]]

_MANIFEST_FIELDS = {
    **{"images": is_integer, "seconds": is_number},
    **dict.fromkeys(("identity", "files"), lambda value: isinstance(value, dict)),
}


@dataclass(frozen=True)
class Detections:
    """Published detections of a job. `seconds` is the duration of the inference."""

    job: Job
    images: int
    seconds: float

    def load(self) -> Results:
        """Reads both files."""
        return {iou_type: json.loads(_file(self.job, iou_type).read_bytes()) for iou_type in IOU_TYPES}


def identify(checkpoint: Checkpoint, data: PreparedData) -> dict[str, str]:
    """Returns the hashes of everything that determines the detections; the plan's hash covers the recipe."""
    return {
        "checkpointSha256": checkpoint.sha256,
        "planHash": checkpoint.plan_hash,
        "annotationsSha256": hash_file(data.annotations("val")),
    }


def find(job: Job, identity: dict[str, str]) -> Detections | None:
    """Returns the published detections with this identity; None if there are none or a file has changed."""
    manifest = read_json(_manifest(job))
    if not has_fields(manifest, _MANIFEST_FIELDS) or manifest["identity"] != identity:
        return None
    files = manifest["files"]
    paths = {iou_type: _file(job, iou_type) for iou_type in IOU_TYPES}
    if any(not path.exists() or hash_file(path) != files.get(iou_type) for iou_type, path in paths.items()):
        return None
    return Detections(job, manifest["images"], manifest["seconds"])


def publish(detections: Detections, prefix: Path, identity: dict[str, str]) -> None:
    """Moves CocoMetric's `<prefix>.bbox.json` and `<prefix>.segm.json` into the job, then writes the manifest."""
    job = detections.job
    _manifest(job).unlink(missing_ok=True)
    for iou_type in IOU_TYPES:
        written = prefix.with_name(f"{prefix.name}.{iou_type}.json")
        with open(written, "rb") as stream:
            os.fsync(stream.fileno())
        written.rename(_file(job, iou_type))
    fsync_folder(job.folder)
    write_json(
        _manifest(job),
        {
            "v": 1,
            "identity": identity,
            "images": detections.images,
            "seconds": detections.seconds,
            "files": {iou_type: hash_file(_file(job, iou_type)) for iou_type in IOU_TYPES},
        },
    )


def _file(job: Job, iou_type: str) -> Path:
    return job.folder / f"detections.{iou_type}.json"


def _manifest(job: Job) -> Path:
    return job.folder / "detections.json"
