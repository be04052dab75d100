import copy

import pytest
import torch
import torch.nn.functional as F
from recipe_files import fill_registries
from torch import Tensor

fill_registries()
from mmdet.models.backbones.swin import ShiftWindowMSA, SwinTransformer, WindowMSA  # noqa: E402

from everswin_trainer.model.sdpa_attention import SdpaWindowMSA, use_sdpa_attention  # noqa: E402

BOUND = 1e-5


def pair(stock: torch.nn.Module) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Returns MMDetection's module and ours with equal weights, and position biases as large as trained ones."""
    for module in stock.modules():
        if isinstance(module, WindowMSA):
            torch.nn.init.normal_(module.relative_position_bias_table)
    ours = copy.deepcopy(stock)
    assert use_sdpa_attention(ours) > 0
    return stock, ours


def require_equal(stock: torch.nn.Module, ours: torch.nn.Module, images: Tensor, *more: object) -> None:
    """Compares outputs and the gradients of the input and of every parameter."""
    results = []
    for module in (stock, ours):
        given = images.clone().requires_grad_()
        result = module(given, *more)
        outputs = result if isinstance(result, tuple) else (result,)
        weights = torch.Generator().manual_seed(1)
        sum((one * torch.randn(one.shape, generator=weights)).mean() for one in outputs).backward()
        gradients = [parameter.grad for parameter in module.parameters()]
        results.append([*(one.detach() for one in outputs), given.grad, *gradients])
    assert all(torch.isfinite(one).all() and one.abs().sum() > 0 for one in results[0])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=BOUND)


@pytest.mark.parametrize(
    ("channels", "heads", "window", "windows"),
    [(96, 3, 7, 6), (24, 1, 7, 4), (64, 2, 4, 9), (48, 6, 5, 2), (192, 6, 12, 1)],
)
@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("is_masked", [False, True])
def test_sdpa_windows_equal_mmdetection(
    channels: int, heads: int, window: int, windows: int, images: int, is_masked: bool
) -> None:
    torch.manual_seed(0)
    stock, ours = pair(WindowMSA(channels, heads, (window, window)))
    tokens = window * window
    # Each window has a different mask, as at the seams of a shifted image.
    mask = torch.where(torch.rand(windows, tokens, tokens) > 0.7, -100.0, 0.0) if is_masked else None
    require_equal(stock, ours, torch.randn(images * windows, tokens, channels), mask)


@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("size", [(7, 7), (14, 21), (17, 30)])
def test_sdpa_equals_mmdetection_for_shifted_and_padded_images(shift: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    stock, ours = pair(ShiftWindowMSA(48, 3, 7, shift_size=shift))
    require_equal(stock, ours, torch.randn(2, size[0] * size[1], 48), size)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("images", [1, 2, 3])
def test_sdpa_with_a_broadcast_bias_equals_a_bias_per_window_in_every_bit(dtype: torch.dtype, images: int) -> None:
    torch.manual_seed(0)
    _, ours = pair(WindowMSA(96, 3, (7, 7)).to(dtype))
    windows, tokens, channels = 6 * images, 49, 96
    mask = torch.where(torch.rand(6, tokens, tokens) > 0.7, -100.0, 0.0).to(dtype)

    def with_bias_per_window(x: Tensor) -> Tensor:
        # Contiguous as the product's: products of strided matrices may differ in the last digit.
        qkv = ours.qkv(x).reshape(windows, tokens, 3, 3, 32).permute(2, 0, 3, 1, 4).contiguous()
        bias = ours.relative_position_bias_table[ours.relative_position_index.view(-1)].view(tokens, tokens, 3)
        bias = (bias.permute(2, 0, 1).unsqueeze(0) + mask.unsqueeze(1)).repeat(images, 1, 1, 1)
        attended = F.scaled_dot_product_attention(*qkv, bias, scale=ours.scale)
        return ours.proj(attended.transpose(1, 2).reshape(windows, tokens, channels))

    x = torch.randn(windows, tokens, channels, dtype=dtype)
    results = []
    for forward in (with_bias_per_window, lambda x: ours(x, mask)):
        ours.zero_grad()
        given = x.clone().requires_grad_()
        output = forward(given)
        output.square().sum().backward()
        results.append([output.detach(), given.grad, *(one.grad.clone() for one in ours.parameters())])
    assert [(one - other).abs().max().item() for one, other in zip(*results, strict=True)] == [0.0] * len(results[0])


def test_the_bias_of_shifted_windows_is_not_repeated_per_image(monkeypatch: pytest.MonkeyPatch) -> None:
    biases: list[Tensor] = []
    attend = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *args, **kwargs: (biases.append(args[3]), attend(*args, **kwargs))[1]
    )
    _, ours = pair(WindowMSA(96, 3, (7, 7)))
    ours(torch.randn(3 * 6, 49, 96), torch.zeros(6, 49, 49))
    assert [bias.shape for bias in biases] == [(1, 6 * 3, 49, 49)]


def test_sdpa_keeps_custom_scales_and_missing_biases() -> None:
    torch.manual_seed(0)
    stock, ours = pair(WindowMSA(32, 2, (7, 7), qkv_bias=False, qk_scale=0.4))
    require_equal(stock, ours, torch.randn(4, 49, 32))


def test_sdpa_backbone_equals_mmdetection_in_training_with_drop_path() -> None:
    torch.manual_seed(0)
    stock, ours = pair(SwinTransformer(embed_dims=24, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8), drop_path_rate=0.2))
    outputs = []
    for backbone in (stock, ours):
        torch.manual_seed(5)
        outputs.append(backbone(torch.linspace(-2, 2, 2 * 3 * 70 * 90).view(2, 3, 70, 90)))
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=BOUND)


def test_sdpa_in_half_precision_is_as_accurate_as_mmdetection() -> None:
    torch.manual_seed(0)
    stock, ours = pair(WindowMSA(96, 3, (7, 7)))
    windows = torch.randn(8, 49, 96)
    truth = stock(windows)
    with torch.autocast("cpu", torch.bfloat16):
        errors = [(module(windows) - truth).abs().max().item() for module in (stock, ours)]
    assert 0 < errors[1] < 2 * errors[0]


def test_checkpoints_load_with_and_without_sdpa() -> None:
    stock, ours = pair(WindowMSA(48, 3, (7, 7)))
    assert type(ours) is SdpaWindowMSA
    assert list(ours.state_dict()) == list(stock.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in stock.named_parameters()]
    stock.load_state_dict(ours.state_dict())
    ours.load_state_dict(stock.state_dict())
