"""Converts a released Swin-S detector of full size and compares its outputs with those of its original layout."""

import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import finish, start_command
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from swin_layout import (
    CHANNELS,
    SIZES,
    STAGES,
    backbone_outputs,
    box_head_outputs,
    cascade_outputs,
    detector_file,
    mask_head_outputs,
    neck_outputs,
    pool,
    rpn_outputs,
)

from conftest import environment
from contract import check_answer
from everswin_trainer.model.build_config import set_classes
from everswin_trainer.model.detector_weights import (
    add_derived,
    class_count,
    convert_detector,
    expected_detector,
    read_detector,
)
from everswin_trainer.model.initial_detector import fit_to_classes, load_detector
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.model.weights import Refused, build_model, compare

RECIPE = Path(__file__).parents[3] / "configs/mmdet/cascade-mask-rcnn_swin-s_paper.py"
DEMO = RECIPE.with_name("cascade-mask-rcnn_swin-demo.py")
HEIGHT, WIDTH = 100, 132
CLOSE = {"rtol": 0, "atol": 1e-4}


@dataclass
class Released:
    """A released detector: `file` in the authors' layout, the answer of its conversion, and our model."""

    file: dict[str, torch.Tensor]
    answer: dict[str, Any]
    model: torch.nn.Module


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """Converts a file in torch's legacy format with the same entries as a checkpoint of the authors' trainer."""
    root, file = tmp_path_factory.mktemp("released"), detector_file(SIZES["s"])
    path = root / "cascade_mask_rcnn_swin_small_patch4_window7.pth"
    state = OrderedDict(file)
    # torch.nn.Module.state_dict sets this attribute.
    state._metadata = OrderedDict({"": {"version": 1}, "backbone": {"version": 1}})  # type: ignore[attr-defined]
    training_state = {
        "meta": {"epoch": 36, "iter": 263_880, "seed": None, "CLASSES": ("person", "bicycle"), "config": "model = …"},
        "optimizer": {
            "state": {0: {"step": 263_880, "exp_avg": torch.zeros(4)}},
            "param_groups": [{"lr": 1e-6, "betas": (0.9, 0.999), "params": [0]}],
        },
        "amp": OrderedDict({"loss_scaler0": {"loss_scale": 65536.0, "unskipped": 12}}),
    }
    torch.save({"state_dict": state, **training_state}, path, _use_new_zipfile_serialization=False)
    into = root / "converted/detector"
    files = ["--recipe", str(RECIPE), "--weights", str(path), "--into", str(into), "--out", f"{into}.json"]
    argv = [sys.executable, "-m", "everswin_trainer", "convert-weights", "--part", "detector", *files]
    subprocess.run(argv, env=environment(), check=True)
    answer = check_answer("convert-weights", Path(f"{into}.json"))
    path.unlink()
    assert answer["ok"], answer
    converted = Path(answer["result"]["path"])
    model = build_model(settings()).eval()
    model.load_state_dict(load_detector(converted))
    yield Released(file, answer, model)
    converted.unlink()


def settings() -> ConfigDict:
    model = load_recipe(RECIPE, None).model
    model.backbone.init_cfg = None
    return model


def noise(*shape: int, seed: int = 7) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_conversion_leaves_no_missing_or_unexpected_key_and_uses_every_value(released: Released) -> None:
    answer = released.answer
    assert (answer["missing"], answer["unexpected"], answer["mismatched"]) == ([], [], [])
    assert (answer["part"], answer["classes"]) == ("detector", 80)
    learned = sum(weight.numel() for weight in released.model.parameters())
    assert learned == pytest.approx(106.95e6, abs=5e3)
    statistics = STAGES * 4 * (2 * CHANNELS + 1)
    assert answer["parameters"] == learned + statistics


@torch.no_grad()
def test_backbone_and_neck_output_equals_that_of_the_authors_code(released: Released) -> None:
    image = noise(1, 3, HEIGHT, WIDTH)
    maps = backbone_outputs(released.file, SIZES["s"], image, "backbone.")
    for ours, theirs in zip(released.model.backbone(image), maps, strict=True):
        assert theirs.std() > 0.5
        assert torch.allclose(ours, theirs, **CLOSE)
    for ours, theirs in zip(released.model.extract_feat(image), neck_outputs(released.file, maps), strict=True):
        assert theirs.std() > 0.5
        assert torch.allclose(ours, theirs, **CLOSE)


@torch.no_grad()
def test_rpn_and_head_outputs_equal_those_of_the_authors_code(released: Released) -> None:
    level, regions, larger = noise(1, CHANNELS, 12, 16), noise(6, CHANNELS, 7, 7), noise(3, CHANNELS, 14, 14)
    pairs = list(zip(released.model.rpn_head((level,)), rpn_outputs(released.file, level), strict=True))
    outputs = [(ours[0], theirs) for ours, theirs in pairs]
    for stage in range(STAGES):
        heads = released.model.roi_head
        outputs += zip(heads.bbox_head[stage](regions), box_head_outputs(released.file, stage, regions), strict=True)
        outputs.append((heads.mask_head[stage](larger), mask_head_outputs(released.file, stage, larger)))
    assert len(outputs) == 2 + STAGES * 3
    for ours, theirs in outputs:
        assert ours.shape == theirs.shape
        assert theirs.std() > 0.1
        assert torch.allclose(ours, theirs, **CLOSE)


@torch.no_grad()
def test_cascade_boxes_and_probabilities_equal_those_of_the_authors_code(released: Released) -> None:
    levels = [noise(1, CHANNELS, -(-HEIGHT // stride), -(-WIDTH // stride), seed=stride) for stride in (4, 8, 16, 32)]
    boxes = some_boxes(40)
    [ours] = released.model.roi_head.predict_bbox(
        levels, [{"img_shape": (HEIGHT, WIDTH)}], [InstanceData(bboxes=boxes)], rcnn_test_cfg=None
    )
    probabilities, corners = cascade_outputs(released.file, levels, boxes, HEIGHT, WIDTH)
    assert torch.allclose(ours.scores, probabilities, **CLOSE)
    assert (corners - boxes.repeat(1, 80)).abs().mean() > 1, "boxes move"
    assert torch.allclose(ours.bboxes, corners, rtol=1e-5, atol=1e-4)
    masks = mask_head_outputs(released.file, 0, pool(levels, boxes, 14))
    rois = torch.cat([torch.zeros(len(boxes), 1), boxes], 1)
    assert torch.allclose(released.model.roi_head._mask_forward(0, levels, rois)["mask_preds"], masks, **CLOSE)


def some_boxes(count: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(3)
    low = torch.rand(count, 2, generator=draw) * torch.tensor([WIDTH - 30.0, HEIGHT - 30.0])
    return torch.cat([low, low + 5 + torch.rand(count, 2, generator=draw) * 25], 1)


def test_refusal_names_missing_unexpected_and_mismatched_tensors(released: Released) -> None:
    file = dict(released.file)
    del file["backbone.norm0.weight"], file["roi_head.bbox_head.2.shared_convs.3.bn.running_var"]
    file["ema.backbone"] = torch.zeros(1)
    file["rpn_head.rpn_reg.bias"] = torch.zeros(7)
    expected = released.model.state_dict()
    comparison = compare(add_derived(convert_detector(file, settings()), expected), expected)
    assert comparison.missing == ["backbone.norm0.weight", "roi_head.bbox_head.2.shared_convs.3.bn.running_var"]
    assert comparison.unexpected == ["ema.backbone"]
    assert comparison.mismatched == [{"key": "rpn_head.rpn_reg.bias", "expected": [12], "actual": [7]}]


def test_all_but_the_last_layers_are_loaded_with_a_warning_when_the_classes_differ(released: Released) -> None:
    own = settings()
    set_classes(own, 3)
    model = build_model(own)
    state, warnings = fit_to_classes(released.model.state_dict(), model.state_dict())
    left_out = model.load_state_dict(state, strict=False)
    layers = [f"roi_head.bbox_head.{stage}.{name}" for stage in range(STAGES) for name in ("fc_cls", "fc_reg")]
    layers += [f"roi_head.mask_head.{stage}.conv_logits" for stage in range(STAGES)]
    assert left_out.unexpected_keys == []
    assert left_out.missing_keys == [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
    assert warnings == [
        "the detector's weights are for 80 classes, the data have 3: these layers start at random: " + ", ".join(layers)
    ]


def test_all_weights_are_loaded_when_the_number_of_classes_is_equal(released: Released) -> None:
    state = released.model.state_dict()
    assert fit_to_classes(state, state) == (state, [])


def test_training_refuses_a_detector_of_another_model(released: Released) -> None:
    state = {key: value for key, value in released.model.state_dict().items() if "shared_convs.3" not in key}
    state["roi_head.unknown"] = torch.zeros(2)
    with pytest.raises(
        ValueError,
        match=r"not of this model: roi_head.bbox_head.0.shared_convs.3.conv.weight is missing.* and \d+ more",
    ):
        fit_to_classes(state, released.model.state_dict())


def test_load_detector_refuses_a_file_that_was_not_converted(small: Path) -> None:
    with pytest.raises(ValueError, match=r"detector.pth to be written by convert-weights --part detector"):
        load_detector(small)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Returns the few tensors that identify a file as a detector."""
    path = tmp_path / "detector.pth"
    torch.save(
        {"state_dict": {"backbone.layers.0.x": torch.ones(2), "neck.lateral_convs.0.conv.bias": torch.ones(2)}}, path
    )
    return path


def test_a_detector_given_as_backbone_is_refused_naming_the_right_field(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "converted.json"
    files = ["--recipe", str(DEMO), "--weights", str(small), "--into", str(tmp_path / "converted"), "--out", str(out)]
    finish([start_command(tmp_path, "convert-weights", "--part", "backbone", *files)], 0)
    answer = check_answer("convert-weights", out)
    assert (answer["ok"], answer["part"], answer["unexpected"]) == (False, "backbone", [])
    assert answer["rejected"] == (
        "detector.pth holds a whole detector instead of a backbone: "
        "name it in weights.detector instead of weights.backbone"
    )


def test_a_backbone_given_as_detector_is_refused_naming_the_right_field(tmp_path: Path) -> None:
    torch.save({"model": {"patch_embed.proj.weight": torch.ones(2)}}, tmp_path / "swin.pth")
    with pytest.raises(Refused, match=r"swin.pth holds no detector .* weights.backbone"):
        read_detector(tmp_path / "swin.pth", settings())


@pytest.mark.parametrize("rows", [1, 3_000])
def test_heads_with_no_or_too_many_classes_are_refused(rows: int) -> None:
    with pytest.raises(Refused, match=f"its heads have {rows - 1} classes; expected 1 to 2000"):
        class_count({"roi_head.bbox_head.0.fc_cls.weight": torch.ones(rows, 2)})


def test_buffers_that_the_model_derives_may_be_missing() -> None:
    expected = expected_detector(load_recipe(DEMO, None).model, 3)
    key = "backbone.stages.0.blocks.0.attn.w_msa.relative_position_index"
    given = {name: tensor for name, tensor in expected.items() if name != key}
    assert torch.equal(add_derived(given, expected)[key], expected[key])
