"""Tests the measurement of MFU and speed of training steps."""

import pytest
import torch
from mmengine.config import ConfigDict
from recipe_files import built, fill_registries

fill_registries()

from everswin_trainer.training.mfu import MfuMeter, precision_of  # noqa: E402
from everswin_trainer.training.progress_hook import StepClock, StepMeans  # noqa: E402


class Counter:
    """Counts 30 TFLOP."""

    def take(self) -> float:
        return 30e12


def test_mfu_meter_divides_the_flops_by_the_peak_and_the_time() -> None:
    assert MfuMeter(Counter(), peak=71e12).take(seconds=2) == pytest.approx(30 / 142)


def test_mfu_meter_rejects_an_unknown_gpu_and_names_the_precision() -> None:
    with pytest.raises(ValueError, match="the peak of Sample GPU in fp16 is not in .*peak_flops.py"):
        MfuMeter.of(torch.nn.Identity(), built("s_blog", "cuda").optim_wrapper, "Sample GPU")


def test_mfu_meter_rejects_a_detector_that_it_cannot_count() -> None:
    with pytest.raises(TypeError, match="expected a two-stage detector to count its FLOPs, got Identity"):
        MfuMeter.of(torch.nn.Identity(), built("s_blog", "cuda").optim_wrapper, "NVIDIA GeForce RTX 3090")


@pytest.mark.parametrize(
    ("wrapper", "allows_tf32", "expected"),
    [
        ({"type": "AmpOptimWrapper"}, True, "fp16"),
        ({"type": "AmpOptimWrapper", "dtype": "bfloat16"}, True, "bf16"),
        ({"type": "OptimWrapper"}, True, "tf32"),
        ({"type": "OptimWrapper"}, False, "fp32"),
    ],
)
def test_precision_is_that_of_the_matrix_products(
    monkeypatch: pytest.MonkeyPatch, wrapper: dict[str, str], allows_tf32: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allows_tf32)
    assert precision_of(ConfigDict(wrapper)) == expected


def test_step_clock_counts_images_and_time_of_steps_only() -> None:
    now = 0.0
    clock = StepClock(lambda: now)
    for wait, step, images in ((1.0, 2.0, 8), (0.0, 1.0, 4)):
        # A validation or a save before the step.
        now += 100
        clock.wait()
        now += wait
        clock.data_arrived()
        now += step
        clock.step_done(images)
    assert clock.means() == StepMeans(seconds=4, step_seconds=2, data_seconds=0.5, images_per_second=3)
    clock.wait()
    clock.data_arrived()
    now += 2
    clock.step_done(8)
    assert clock.means().images_per_second == 4
