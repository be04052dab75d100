import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from conftest import JobFolder, environment
from contract import check_answer
from everswin_trainer.job.plan import Plan
from everswin_trainer.model.recipe import fingerprint, flatten, load_recipe, summarize, to_json

RECIPES = Path(__file__).parents[3] / "configs/mmdet"
DEMO = RECIPES / "cascade-mask-rcnn_swin-demo.py"


def test_recipe_command_writes_text_hash_and_summary_without_local_paths(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "everswin_trainer", "recipe", "--recipe", str(DEMO), "--out", str(tmp_path / "r")]
    subprocess.run(command, env=environment(), check=True, cwd=tmp_path)
    answer = check_answer("recipe", tmp_path / "r")
    assert answer["name"] == "cascade-mask-rcnn_swin-demo"
    assert answer["sha256"] == hashlib.sha256(answer["text"].encode()).hexdigest()
    assert answer["maxEpochs"] == 10
    assert answer["summary"]["precision"] == "fp16"
    assert answer["summary"]["optimizer"] == "AdamW"
    assert answer["settings"]["optim_wrapper"]["optimizer"]["type"] == "AdamW"
    for path in (sys.prefix, str(RECIPES), str(Path.home())):
        assert path not in answer["text"]


def test_only_a_recipe_with_an_average_of_the_weights_has_one_in_its_summary() -> None:
    averaged = load_recipe(RECIPES / "cascade-mask-rcnn_swin-s_paper-ema.py", None)
    assert summarize(averaged)["weightAverage"] == {"type": "ExpMomentumEMA", "momentum": 0.0002}
    averaged.custom_hooks = [{"type": "NumClassCheckHook"}, {"type": "EMAHook"}]
    assert summarize(averaged)["weightAverage"] == {"type": "ExponentialMovingAverage", "momentum": 0.0002}
    assert "weightAverage" not in summarize(load_recipe(DEMO, None))


def test_the_summary_says_which_recipes_group_by_size_does_not_fit() -> None:
    def reason(name: str) -> str | None:
        return summarize(load_recipe(RECIPES / f"cascade-mask-rcnn_swin-{name}.py", None)).get("noGroupBySize")

    assert [reason(name) for name in ("demo", "s_blog", "b_paper")] == [None] * 3
    assert reason("s_paper-lsj") == "the sizes of images after RandomResize are unknown before they are loaded"
    assert reason("s_paper-lsj-copy-paste") == "its data set is a MultiImageMixDataset"


def test_settings_that_json_cannot_represent_become_text() -> None:
    settings = {"depths": (2, 18), "by_index": {0: None}, "limit": float("inf"), "lr": 1e-4, "type": complex}
    assert to_json(settings) == {
        "depths": [2, 18],
        "by_index": {"0": None},
        "limit": "inf",
        "lr": 1e-4,
        "type": "<class 'complex'>",
    }


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.py")), ids=lambda path: path.stem)
def test_a_flattened_recipe_loads_as_the_same_recipe(recipe: Path, tmp_path: Path) -> None:
    config = load_recipe(recipe, None)
    (tmp_path / "flat.py").write_text(flatten(config))
    assert Config.fromfile(str(tmp_path / "flat.py")).to_dict() == config.to_dict()
    assert fingerprint(load_recipe(tmp_path / "flat.py", None)) == fingerprint(config)


def test_a_recipe_that_differs_from_the_plan_is_refused(job: JobFolder) -> None:
    with pytest.raises(ValueError, match="it changed since the plan was made"):
        load_recipe(DEMO, Plan.load(job.plan_file))
    job.plan["recipe"]["sha256"] = fingerprint(load_recipe(DEMO, None))
    load_recipe(DEMO, Plan.load(job.plan_file))
