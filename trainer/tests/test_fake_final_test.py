import json
import sys
from pathlib import Path

import pytest

from conftest import JobFolder, stop, until
from everswin_trainer.system.hashing import hash_file

SIX = ("AP", "AP50", "AP75", "APs", "APm", "APl")
TWELVE = (*SIX, "AR100", "AR300", "AR1000", "ARs", "ARm", "ARl")


@pytest.fixture
def trained(job: JobFolder) -> JobFolder:
    assert job.supervise(job.fake_training()).wait(60) == 0
    return job


@pytest.fixture
def testing(trained: JobFolder) -> JobFolder:
    """The final-test job of the same run."""
    other = JobFolder(trained.root / "other", trained.plan)
    other.root.mkdir()
    return other


def command(testing: JobFolder, checkpoint: Path, *switches: str) -> list[str]:
    given = ["--plan", str(testing.plan_file), "--job-dir", str(testing.folder), "--checkpoint", str(checkpoint)]
    return [sys.executable, "-m", "fake_trainer", "test", *given, *switches]


def test_final_test_matches_the_validation_of_the_checkpoint(trained: JobFolder, testing: JobFolder) -> None:
    checkpoint = trained.newest_checkpoint()
    assert testing.supervise(command(testing, checkpoint)).wait(60) == 0
    metrics = json.loads((testing.folder / "metrics.json").read_text())
    saved, validated = trained.events("checkpoint")[-1], trained.events("validation")[-1]
    assert (metrics["v"], metrics["checkpoint"], metrics["checkpointSha256"]) == (1, checkpoint.name, saved["sha256"])
    assert metrics["images"] > 0
    assert metrics["seconds"] >= 0
    for kind in ("bbox", "segm"):
        assert tuple(metrics[kind]) == (*SIX, "AR100", "AR300", "AR1000", "ARm", "ARl", "ARs")
        assert {name: metrics[kind][name] for name in SIX} == validated[kind]
        assert all(metrics[kind][name] is None or 0 <= metrics[kind][name] <= 1 for name in TWELVE)


def test_final_test_measures_foreign_weights(job: JobFolder, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"any")
    given = ["--plan", str(job.plan_file), "--job-dir", str(job.folder), "--weights", str(tmp_path / "weights")]
    assert job.supervise([sys.executable, "-m", "fake_trainer", "test", *given]).wait(60) == 0
    metrics = json.loads((job.folder / "metrics.json").read_text())
    assert (metrics["checkpoint"], metrics["checkpointSha256"]) == ("weights", hash_file(tmp_path / "weights"))
    assert 0 <= metrics["bbox"]["AP"] < 1


def test_final_test_reports_progress_and_its_end(trained: JobFolder, testing: JobFolder) -> None:
    assert testing.supervise(command(testing, trained.newest_checkpoint())).wait(60) == 0
    assert [event["type"] for event in testing.events()] == ["started", "tested", "tested", "ended"]
    assert [(event["done"], event["total"]) for event in testing.events("tested")] == [(4, 8), (8, 8)]
    assert testing.exit()["reason"] == "finished"


def test_final_test_refuses_a_damaged_checkpoint(trained: JobFolder, testing: JobFolder) -> None:
    checkpoint = trained.newest_checkpoint()
    checkpoint.write_bytes(b"{}")
    assert testing.supervise(command(testing, checkpoint)).wait(60) == 1
    assert "is damaged" in testing.exit()["rootCause"]["message"]
    assert not (testing.folder / "metrics.json").exists()


def test_final_test_writes_no_metrics_when_stopped(trained: JobFolder, testing: JobFolder) -> None:
    supervisor = testing.supervise(command(testing, trained.newest_checkpoint(), "--seconds", "60"))
    until(lambda: testing.events("started"), "the start")
    assert stop(supervisor) == 143
    assert testing.exit()["reason"] == "preempted"
    assert not (testing.folder / "metrics.json").exists()
