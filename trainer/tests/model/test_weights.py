import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import finish, start_command
from mmengine.config import ConfigDict
from safetensors.torch import load_file

from conftest import environment
from contract import check_answer
from everswin_trainer.demo import mini_weights
from everswin_trainer.model.build_config import _set_weights
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.model.weights import (
    Comparison,
    Refused,
    compare,
    expected_tensors,
    load_content,
    read_backbone,
    store,
)

RECIPES = Path(__file__).parents[3] / "configs/mmdet"


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "swin_mini.pth"
    path.write_bytes(mini_weights.mini_swin_checkpoint())
    return path


@pytest.fixture(scope="module")
def demo() -> ConfigDict:
    return backbone("demo")


def recipe_file(name: str) -> Path:
    return RECIPES / f"cascade-mask-rcnn_swin-{name}.py"


def backbone(recipe: str) -> ConfigDict:
    return load_recipe(recipe_file(recipe), None).model.backbone


def check(weights: Path, config: ConfigDict) -> Comparison:
    return compare(read_backbone(weights, config), expected_tensors(config))


def convert(weights: Path, config: ConfigDict, into: Path) -> dict[str, Any]:
    return store(read_backbone(weights, config), expected_tensors(config), into)


def changed(mini: Path, path: Path, change: Any) -> Path:
    content = torch.load(mini, weights_only=True)
    change(content["model"])
    torch.save(content, path)
    return path


def test_convert_accepts_weights_of_the_size_in_the_recipe(mini: Path, tmp_path: Path) -> None:
    into = tmp_path / "converted/swin"
    files = ["--recipe", str(recipe_file("demo")), "--weights", str(mini), "--into", str(into)]
    argv = [sys.executable, "-m", "everswin_trainer", "convert-weights", *files, "--out", f"{into}.json"]
    subprocess.run(argv, env=environment(), check=True, capture_output=True)
    answer = check_answer("convert-weights", Path(f"{into}.json"))
    assert answer["ok"] is True
    assert "rejected" not in answer
    assert (answer["missing"], answer["unexpected"], answer["mismatched"]) == ([], [], [])
    assert answer["source"]["bytes"] == mini.stat().st_size
    assert answer["parameters"] > 1_000_000
    assert answer["network"] in ("isolated", "not isolated")
    converted = tmp_path / "converted/swin.safetensors"
    assert answer["result"]["path"] == str(converted)
    assert answer["result"]["bytes"] == converted.stat().st_size
    assert {path.name for path in converted.parent.iterdir()} == {"swin.json", "swin.safetensors"}


def test_equal_tensors_convert_to_equal_bytes_for_every_file_format(
    mini: Path, demo: ConfigDict, tmp_path: Path
) -> None:
    first = convert(mini, demo, tmp_path / "first")
    reordered = tmp_path / "reordered.bin"
    torch.save(dict(reversed(torch.load(mini, weights_only=True)["model"].items())), reordered)
    assert convert(reordered, demo, tmp_path / "second")["sha256"] == first["sha256"]
    again = convert(Path(first["path"]), demo, tmp_path / "third")
    assert again["sha256"] == first["sha256"], "a converted file is not converted again"


def test_converted_weights_initialize_the_backbone_as_the_original_file_does(
    mini: Path, demo: ConfigDict, tmp_path: Path
) -> None:
    converted = convert(mini, demo, tmp_path / "swin")
    before, after = (initialized(demo, path) for path in (mini, Path(converted["path"])))
    assert before.keys() == after.keys()
    assert [key for key, value in before.items() if not torch.equal(value, after[key])] == []
    assert not torch.equal(
        before["patch_embed.projection.weight"], initialized(demo, None)["patch_embed.projection.weight"]
    )


def initialized(config: ConfigDict, weights: Path | None) -> dict[str, torch.Tensor]:
    """Returns the weights of a backbone that is built as in training."""
    from mmdet.registry import MODELS

    settings = ConfigDict(config)
    _set_weights(settings, weights)
    torch.manual_seed(0)
    model = MODELS.build(settings)
    model.init_weights()
    return model.state_dict()


def test_the_converted_file_holds_only_tensors_of_the_backbone(mini: Path, demo: ConfigDict, tmp_path: Path) -> None:
    kept = load_file(convert(mini, demo, tmp_path / "swin")["path"])
    expected = {f"backbone.{key}": value for key, value in expected_tensors(demo).items()}
    assert kept.keys() <= expected.keys()
    assert all(value.shape == expected[key].shape for key, value in kept.items())


def test_full_size_swin_t_file_of_the_authors_is_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (("EMBED_DIMS", 96), ("DEPTHS", (2, 2, 6, 2)), ("HEADS", (3, 6, 12, 24))):
        monkeypatch.setattr(mini_weights, name, value)
    path = tmp_path / "swin_tiny.pth"
    path.write_bytes(mini_weights.mini_swin_checkpoint())
    comparison = check(path, backbone("t_blog"))
    assert comparison.fits
    assert comparison.parameters == 27_517_818, "Swin-T's 28,288,354 without its head and last norm"


def test_weights_of_another_size_are_refused_naming_every_difference(mini: Path, tmp_path: Path) -> None:
    files = ["--recipe", str(recipe_file("t_blog")), "--weights", str(mini), "--into", str(tmp_path / "swin")]
    finish([start_command(tmp_path, "convert-weights", *files, "--out", str(tmp_path / "swin.json"))], 0)
    answer = check_answer("convert-weights", tmp_path / "swin.json")
    assert (answer["ok"], answer["result"]) == (False, None)
    assert "stages.2.blocks.5.attn.w_msa.qkv.weight" in answer["missing"]
    assert {
        "key": "patch_embed.projection.weight",
        "expected": [96, 3, 4, 4],
        "actual": [24, 3, 4, 4],
    } in answer["mismatched"]
    assert not (tmp_path / "swin.safetensors").exists()


def test_refusal_names_a_missing_and_an_unexpected_tensor(mini: Path, demo: ConfigDict, tmp_path: Path) -> None:
    def change(model: dict[str, torch.Tensor]) -> None:
        del model["layers.0.blocks.0.attn.qkv.weight"]
        model["layers.9.unknown"] = torch.zeros(1)

    comparison = check(changed(mini, tmp_path / "other.pth", change), demo)
    assert comparison.missing == ["stages.0.blocks.0.attn.w_msa.qkv.weight"]
    assert comparison.unexpected == ["stages.9.unknown"]


def test_a_derived_table_may_be_missing_but_must_have_the_right_size(
    mini: Path, demo: ConfigDict, tmp_path: Path
) -> None:
    key = "layers.0.blocks.0.attn.relative_position_index"
    gone = changed(mini, tmp_path / "gone.pth", lambda model: model.pop(key))
    assert check(gone, demo).fits
    other = changed(
        mini, tmp_path / "other.pth", lambda model: model.update({key: torch.zeros(4, 4, dtype=torch.int64)})
    )
    assert [one["actual"] for one in check(other, demo).mismatched] == [[4, 4]]


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps([1, 2])], ids=["empty", "text", "list"])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: bytes, demo: ConfigDict) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(Refused, match="weights.pth"):
        read_backbone(tmp_path / "weights.pth", demo)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"", "empty"),
        (b"<!doctype html>", "an HTML page"),
        (b"PK\x03\x04cut short", "a truncated or damaged zip archive"),
        (b"any text", "a file of an unknown kind"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "best.pth"
    path.write_bytes(content)
    with pytest.raises(Refused, match=f"best.pth is not a checkpoint of PyTorch: it is {kind}"):
        load_content(path)
