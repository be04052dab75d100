import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contract import check
from everswin_trainer.benchmark import gpu_check
from everswin_trainer.benchmark.gpu_check import choose_variants, make_plan, parse
from everswin_trainer.benchmark.gpu_check_summary import (
    Variant,
    answer,
    difference,
    percentile,
    profile,
    speedup,
    warm_up,
)
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.speed import Speed
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.system.process_tree import find_by_environment

RECIPE = Path(__file__).parents[3] / "configs/mmdet/cascade-mask-rcnn_swin-s_blog.py"


def arguments(*more: str, device: str = "cuda") -> argparse.Namespace:
    return parse(["--recipe", str(RECIPE), "--device", device, "--out", "check.json", *more])


def training(name: str, number: int, second: float, losses: list[float | None]) -> dict[str, Any]:
    return {
        "variant": name,
        "round": number,
        "seconds": [second] * len(losses),
        "losses": losses,
        "flops": [4e12] * len(losses) if (name, number) == ("stock", 1) else [],
        "data_seconds": [0.01] * len(losses),
        "positives": [100.0, 101.0, 102.0],
        "peak_memory_mib": 9000.0 + number,
        "reserved_memory_mib": 9500.0,
    }


def result(trainings: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    other = {"traces": {}, "errors": {}, "versions": {"torch": "2.10.0"}, "memoryInUseMib": 500.0, "peakFlops": 71e12}
    return {"trainings": trainings, **other, **more}


def test_all_variants_are_measured_on_a_gpu_and_two_on_a_cpu() -> None:
    assert [one.name for one in choose_variants(arguments())] == ["stock", "fast", "compiled"]
    assert [one.name for one in choose_variants(arguments(device="cpu"))] == ["stock", "fast"]
    assert choose_variants(arguments("--switches", "fusedAdamW", "--variants", "compiled")) == [
        Variant("compiled", ("fusedAdamW", "compileBackbone"), 4)
    ]


def test_the_trainer_accepts_the_plan_of_a_variant(tmp_path: Path) -> None:
    _, fast, _ = choose_variants(arguments("--gpus", "4", "--seed", "7"))
    (tmp_path / "plan.json").write_text(
        json.dumps(make_plan(arguments("--gpus", "4", "--seed", "7"), fast, load_recipe(RECIPE, None)))
    )
    plan = Plan.load(tmp_path / "plan.json")
    assert (plan.gpus, plan.batch_per_gpu, plan.seed, plan.loader_workers, plan.epochs) == (4, 2, 7, 4, 36)
    assert plan.speed == Speed(sdpa_attention=True, fused_adamw=True, channels_last=True, fewer_syncs=True)
    load_recipe(RECIPE, plan)


def test_the_projected_hours_of_the_blog_recipe_follow_from_the_step_time() -> None:
    losses = [3.0] * 60
    measured = result(
        [
            training("stock", 1, 0.6, losses),
            training("fast", 1, 0.5, [3.0, 3.6, *losses[2:]]),
            training("stock", 2, 0.6, [*losses[:2], 3.6, *losses[3:]]),
            training("fast", 2, 0.5, [None, *losses[1:]]),
        ],
        errors={"compiled": "no compiler"},
    )
    document = answer(arguments(), 36, choose_variants(arguments()), measured, None, 100.0)
    check("gpu-check", document)
    stock, fast, compiled = (one["measured"] for one in document["variants"])
    # The training has 36 epochs with 14,659 steps each.
    assert [one["projectedHours"] for one in (stock, fast)] == pytest.approx([87.95, 73.29], abs=0.01)
    assert document["projection"] == {"gpus": 4, "epochs": 36, "stepsPerEpoch": 14_659}
    assert stock["lossDifference"] == pytest.approx({"max": 0.6, "mean": 0.01, "meanLoss": 3.0})
    assert fast["lossDifference"] is None
    assert stock["peakMemoryMib"] == 9002.0 and stock["speedup"] is None
    assert fast["speedup"]["rounds"] == pytest.approx([1.2, 1.2])
    # 4 TFLOP in 0.6 s, and in 0.5 s, at a peak of 71 TFLOP/s.
    assert [one["teraflopPerStep"] for one in (stock, fast)] == [4, 4]
    assert [one["mfu"] for one in (stock, fast)] == pytest.approx([0.0939, 0.1127], abs=1e-4)
    assert compiled is None and document["variants"][2]["error"] == "no compiler"


def test_a_variant_without_time_says_so() -> None:
    measured = result([training("stock", 1, 0.6, [3.0] * 60)])
    chosen = choose_variants(arguments())
    assert answer(arguments(), 36, chosen, measured, None, 1.0)["variants"][1]["error"] == "no time was left for it"
    stopped = answer(arguments(), 36, chosen, measured, "stopped during: compiled", 1.0)["variants"]
    assert [one["error"] for one in stopped] == [None, "stopped during: compiled", "stopped during: compiled"]


def test_a_speedup_compares_the_steps_that_both_variants_did_in_a_round() -> None:
    stock = [training("stock", 1, 1.0, [3.0] * 9), training("stock", 2, 2.0, [3.0] * 4)]
    fast = [training("fast", 1, 0.5, [3.0] * 6), training("fast", 2, 0.8, [3.0] * 6), training("fast", 3, 0.1, [3.0])]
    # In a longer round, later batches may be larger.
    stock[0]["seconds"][6:] = [9.0, 9.0, 9.0]
    found = speedup(fast, stock, skipped=2)
    assert found == {"mean": 2.25, "min": 2.0, "max": 2.5, "rounds": pytest.approx([2.0, 2.5])}
    assert speedup(fast, [], skipped=2) is None


def test_the_idle_share_compares_the_work_of_profiled_steps_with_their_time_without_the_profiler() -> None:
    trace = {"launches": 18_000, "syncs": 780, "busy_seconds": 0.9}
    figures = profile([training("stock", 1, 0.5, [3.0] * 60)], trace, steps=60, skipped=15)
    assert figures == {"kernelLaunches": 6000, "streamSyncs": 260, "idleShare": pytest.approx(0.4)}
    assert set(profile([training("stock", 1, 0.5, [3.0] * 16)], trace, 60, 15).values()) == {None}
    assert set(profile([training("stock", 1, 0.5, [3.0] * 60)], None, 60, 15).values()) == {None}


def test_warm_up_steps_are_excluded() -> None:
    assert [warm_up(steps) for steps in (1, 3, 8, 80, 200)] == [0, 0, 2, 20, 20]


def test_a_percentile_is_one_of_the_measured_values() -> None:
    steps = [float(number) for number in range(1, 101)]
    assert [percentile(steps, share) for share in (0.5, 0.95, 1.0)] == [50.0, 95.0, 100.0]
    assert percentile([2.0], 0.95) == 2.0


def test_loss_curves_are_not_compared_when_a_loss_is_missing() -> None:
    assert difference([(1.0, 1.0), (None, 2.0)]) is None
    assert difference([]) is None


def test_gpu_check_fails_and_names_the_limit_when_no_step_fits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    out = tmp_path / "check.json"
    few = ["--device", "cpu", "--iterations", "1", "--minutes", "0.001", "--out", str(out)]
    assert gpu_check.main(["--recipe", str(RECIPE), *few]) == 1
    assert "stock: stopped because its time was over" in capsys.readouterr().err
    assert not out.exists()


def test_gpu_check_fails_with_the_log_when_the_stock_variant_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(recipe: Path, _plan: Any) -> Any:
        config = load_recipe(recipe, None)
        config.model.type = "NoSuchDetector"
        return config

    # The ranks refuse the recipe because it differs from the one in the plan.
    monkeypatch.setattr(gpu_check, "load_recipe", broken)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    out = tmp_path / "check.json"
    few = ["--device", "cpu", "--iterations", "1", "--out", str(out)]
    assert gpu_check.main(["--recipe", str(RECIPE), *few]) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("stock: the ranks ended with code 1:")
    assert "it changed since the plan was made" in stderr
    assert not out.exists()


def test_sigterm_leaves_no_rank_behind(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2]
    demo = RECIPE.with_name("cascade-mask-rcnn_swin-demo.py")
    argv = ["--recipe", str(demo), "--device", "cpu", "--out", str(tmp_path / "check.json")]
    environment = {**os.environ, "PYTHONPATH": str(folder), "EVERSWIN_TEST": str(tmp_path)}
    command = [sys.executable, "-m", "everswin_trainer", "gpu-check", *argv]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        # The first rank tells its stage.
        assert process.stdout.readline()
        assert len(find_by_environment("EVERSWIN_TEST", str(tmp_path))) > 1
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert find_by_environment("EVERSWIN_TEST", str(tmp_path)) == []
