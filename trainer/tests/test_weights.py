import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import environment
from everswin_trainer import weights as weights_module
from everswin_trainer.mini_weights import mini_swin_checkpoint
from everswin_trainer.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / "configs/mmdet"


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "swin_mini.pth"
    path.write_bytes(mini_swin_checkpoint())
    return path


def recipe_file(name: str) -> Path:
    return RECIPES / f"cascade-mask-rcnn_swin-{name}.py"


def check(weights: Path, recipe: str = "demo") -> dict[str, Any]:
    return weights_module.check(weights, load_recipe(recipe_file(recipe), None).model.backbone)


def changed(mini: Path, path: Path, change: Any) -> Path:
    content = torch.load(mini, weights_only=True)
    change(content["model"])
    torch.save(content, path)
    return path


def test_weights_of_the_recipes_size_pass(mini: Path, tmp_path: Path) -> None:
    files = ["--recipe", str(recipe_file("demo")), "--weights", str(mini), "--out", str(tmp_path / "out.json")]
    command = [sys.executable, "-m", "everswin_trainer", "check-weights", *files]
    subprocess.run(command, env=environment(), check=True, capture_output=True)
    answer = json.loads((tmp_path / "out.json").read_text())
    assert answer["ok"] is True
    assert (answer["missing"], answer["unexpected"], answer["misshapen"]) == ([], [], [])
    assert answer["source"]["bytes"] == mini.stat().st_size
    assert answer["parameters"] > 1_000_000


def test_weights_of_another_size_fail_with_every_difference_named(mini: Path) -> None:
    answer = check(mini, "t_blog")
    assert answer["ok"] is False
    assert "stages.2.blocks.5.attn.w_msa.qkv.weight" in answer["missing"]
    assert {
        "key": "patch_embed.projection.weight",
        "expected": [96, 3, 4, 4],
        "got": [24, 3, 4, 4],
    } in answer["misshapen"]


def test_a_missing_and_a_foreign_tensor_are_named(mini: Path, tmp_path: Path) -> None:
    def change(model: dict[str, torch.Tensor]) -> None:
        del model["layers.0.blocks.0.attn.qkv.weight"]
        model["layers.9.surprise"] = torch.zeros(1)

    answer = check(changed(mini, tmp_path / "other.pth", change))
    assert answer["missing"] == ["stages.0.blocks.0.attn.w_msa.qkv.weight"]
    assert answer["unexpected"] == ["stages.9.surprise"]


def test_a_pickle_with_code_is_refused_and_nothing_of_it_runs(tmp_path: Path) -> None:
    trap = tmp_path / "it-ran"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (trap,)

    plain, zipped = tmp_path / "plain.pth", tmp_path / "zipped.pth"
    plain.write_bytes(pickle.dumps({"model": Trap()}))
    torch.save({"model": Trap()}, zipped)
    for path in (plain, zipped):
        answer = check(path)
        assert answer["ok"] is False
        assert answer["refused"].startswith(f"torch.load(weights_only=True) refuses {path.name}: ")
        assert not trap.exists()
    torch.load(zipped, weights_only=False)
    assert trap.exists(), "the trap works"


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps([1, 2])], ids=["empty", "text", "list"])
def test_what_holds_no_named_tensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    answer = check(tmp_path / "weights.pth")
    assert answer["ok"] is False
    assert answer["refused"]
