import json
from pathlib import Path

import pytest

from everswin_trainer.evaluation.detections import Detections, find, publish
from everswin_trainer.job.folder import Job

IDENTITY = {"checkpointSha256": "a", "planHash": "b", "annotationsSha256": "c"}


@pytest.fixture
def published(tmp_path: Path) -> Job:
    job = Job.at(tmp_path / "test")
    for iou_type in ("bbox", "segm"):
        (tmp_path / f"written.{iou_type}.json").write_text(f'[{{"kind": "{iou_type}"}}]')
    publish(Detections(job, 24, 1.5), tmp_path / "written", IDENTITY)
    return job


def test_find_returns_published_detections(published: Job) -> None:
    again = find(published, IDENTITY)
    assert again is not None
    assert (again.images, again.seconds) == (24, 1.5)
    assert again.load() == {"bbox": [{"kind": "bbox"}], "segm": [{"kind": "segm"}]}


@pytest.mark.parametrize("part", sorted(IDENTITY))
def test_find_returns_none_for_another_checkpoint_plan_or_data_set(published: Job, part: str) -> None:
    assert find(published, {**IDENTITY, part: "other"}) is None


def test_find_returns_none_when_a_file_is_damaged_or_missing(published: Job) -> None:
    (published.folder / "detections.segm.json").write_text("[")
    assert find(published, IDENTITY) is None
    (published.folder / "detections.segm.json").unlink()
    assert find(published, IDENTITY) is None


def test_find_returns_none_without_a_manifest(published: Job) -> None:
    (published.folder / "detections.json").unlink()
    assert find(published, IDENTITY) is None


@pytest.mark.parametrize("field", ["identity", "images", "seconds", "files"])
def test_find_returns_none_when_the_manifest_lacks_a_field(published: Job, field: str) -> None:
    manifest = published.folder / "detections.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({name: value for name, value in content.items() if name != field}))
    assert find(published, IDENTITY) is None
