import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from contract import check
from everswin_trainer.benchmark import gpu_check
from everswin_trainer.benchmark.gpu_check import (
    Variant,
    answer,
    choose_variants,
    difference,
    make_plan,
    parse,
    percentile,
    warm_up,
)
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.speed import Speed
from everswin_trainer.model.recipe import load_recipe

RECIPE = Path(__file__).parents[3] / "configs/mmdet/cascade-mask-rcnn_swin-s_blog.py"


def arguments(*more: str, device: str = "cuda") -> argparse.Namespace:
    return parse(["--recipe", str(RECIPE), "--device", device, "--out", "check.json", *more])


def result(second: float, losses: list[float | None]) -> dict[str, Any]:
    memory = {"peakMemoryMib": 9000.0, "memoryInUseMib": 500.0}
    return {"seconds": [second] * len(losses), "losses": losses, "versions": {"torch": "2.10.0"}, **memory}


def test_all_variants_are_measured_on_a_gpu_and_two_on_a_cpu() -> None:
    assert [one.name for one in choose_variants(arguments())] == ["stock", "fast", "compiled", "stock again"]
    assert [one.name for one in choose_variants(arguments(device="cpu"))] == ["stock", "fast"]
    assert choose_variants(arguments("--switches", "fusedAdamW", "--variants", "compiled")) == [
        Variant("compiled", ("fusedAdamW", "compileBackbone"), 4)
    ]


def test_the_trainer_accepts_the_plan_of_a_variant(tmp_path: Path) -> None:
    _, fast, *_ = choose_variants(arguments("--gpus", "4", "--seed", "7"))
    (tmp_path / "plan.json").write_text(
        json.dumps(make_plan(arguments("--gpus", "4", "--seed", "7"), fast, load_recipe(RECIPE, None)))
    )
    plan = Plan.load(tmp_path / "plan.json")
    assert (plan.gpus, plan.batch_per_gpu, plan.seed, plan.loader_workers, plan.epochs) == (4, 2, 7, 4, 36)
    assert plan.speed == Speed(sdpa_attention=True, fused_adamw=True, channels_last=True, fewer_syncs=True)
    load_recipe(RECIPE, plan)


def test_the_projected_hours_of_the_blog_recipe_follow_from_the_step_time() -> None:
    losses = [3.0] * 200
    stock, fast, compiled, again = choose_variants(arguments())
    document = answer(
        arguments(),
        36,
        [
            (stock, result(0.6, losses)),
            (fast, result(0.5, [3.0, 3.5, *losses[2:]])),
            (compiled, {"error": "no compiler"}),
            (again, result(0.6, [None, *losses[1:]])),
        ],
    )
    check("gpu-check", document)
    hours = [one["measured"] and one["measured"]["projectedHours"] for one in document["variants"]]
    # The training has 36 epochs with 14,659 steps each.
    assert hours == [
        pytest.approx(87.95, abs=0.01),
        pytest.approx(73.29, abs=0.01),
        None,
        pytest.approx(87.95, abs=0.01),
    ]
    assert document["projection"] == {"gpus": 4, "epochs": 36, "stepsPerEpoch": 14_659}
    differences = [one["measured"] and one["measured"]["lossDifference"] for one in document["variants"]]
    assert differences == [None, {"max": 0.5, "mean": 0.0025, "meanLoss": 3.0}, None, None]
    assert document["variants"][2]["error"] == "no compiler"


def test_warm_up_steps_are_excluded() -> None:
    assert [warm_up(steps) for steps in (1, 3, 8, 80, 200)] == [0, 0, 2, 20, 20]


def test_a_percentile_is_one_of_the_measured_values() -> None:
    steps = [float(number) for number in range(1, 101)]
    assert [percentile(steps, share) for share in (0.5, 0.95, 1.0)] == [50.0, 95.0, 100.0]
    assert percentile([2.0], 0.95) == 2.0


def test_loss_curves_are_not_compared_when_a_loss_is_missing() -> None:
    assert difference([1.0, None], [1.0, 2.0]) is None


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
    assert stderr.startswith("stock ended with code 1:")
    assert "it changed since the plan was made" in stderr
    assert not out.exists()
