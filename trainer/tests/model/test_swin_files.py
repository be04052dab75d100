"""Loads full-size ImageNet files of the Swin authors into the backbone of each recipe and compares the outputs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from swin_layout import SIZES, Size, Tensors, backbone_outputs, imagenet_file, shift_mask

from everswin_trainer.model.build_config import _set_weights
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.model.weights import compare, expected_tensors, read_backbone, store

RECIPES = {
    letter: sorted((Path(__file__).parents[3] / "configs/mmdet").glob(f"cascade-mask-rcnn_swin-{letter}_*.py"))
    for letter in SIZES
}
# Parameters of the published classifiers, 28,288,354, 49,606,258 and 87,768,224, without head and last norm.
PARAMETERS = {"t": 27_517_818, "s": 48_835_722, "b": 86_741_176}


@pytest.fixture(scope="module", params=[letter for letter in SIZES if RECIPES[letter]])
def released(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Yields (size, file) and deletes the file after its tests."""
    path = tmp_path_factory.mktemp("imagenet") / f"swin_{request.param}_patch4_window7_224.pth"
    torch.save({"model": imagenet_file(SIZES[request.param])}, path)
    yield request.param, path
    path.unlink()


def backbones(letter: str) -> list[ConfigDict]:
    """Returns the different backbones among the recipes of one size."""
    candidates = [load_recipe(recipe, None).model.backbone for recipe in RECIPES[letter]]
    return [one for index, one in enumerate(candidates) if one not in candidates[:index]]


def test_attention_masks_match_the_input_size_of_the_file() -> None:
    """With 8 windows per axis, only the last row and column of windows combines distant regions."""
    mask = shift_mask(56, 56).reshape(8, 8, 49, 49)
    assert mask[:7, :7].eq(0).all()
    assert all(mask[row, column].lt(0).any() for row, column in ((7, 0), (0, 7), (7, 7)))


def test_full_size_files_have_no_missing_or_unexpected_key(released: tuple[str, Path]) -> None:
    letter, path = released
    for settings in backbones(letter):
        comparison = compare(read_backbone(path, settings), expected_tensors(settings))
        assert (comparison.missing, comparison.unexpected, comparison.mismatched) == ([], [], [])
        assert comparison.parameters == PARAMETERS[letter]


def test_backbone_output_equals_that_of_the_authors_code(released: tuple[str, Path], tmp_path: Path) -> None:
    letter, path = released
    settings = backbones(letter)[0]
    image = torch.randn(1, 3, 100, 132, generator=torch.Generator().manual_seed(1))
    converted = store(read_backbone(path, settings), expected_tensors(settings), tmp_path / "swin")
    ours = outputs(settings, Path(converted["path"]), image)
    theirs = expected_outputs(torch.load(path, weights_only=True)["model"], SIZES[letter], image)
    for one, other in zip(ours, theirs, strict=True):
        assert other.std() > 0.5
        assert torch.allclose(one, other, rtol=0, atol=1e-4)


def outputs(settings: ConfigDict, weights: Path, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Returns the outputs of a backbone that is built as in training."""
    from mmdet.registry import MODELS

    _set_weights(settings, weights)
    model = MODELS.build(settings)
    model.init_weights()
    model.eval()
    with torch.no_grad():
        return model(image)


def expected_outputs(file: Tensors, size: Size, image: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        return backbone_outputs(file, size, image)
