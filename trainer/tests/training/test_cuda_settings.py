import os

import pytest
import torch

from everswin_trainer.job.speed import Speed
from everswin_trainer.training import cuda_settings
from everswin_trainer.training.cuda_settings import ALLOCATOR_VARIABLE, set_up_cuda

MATMUL = torch.backends.cuda.matmul


@pytest.fixture(autouse=True)
def unchanged_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # Restored after the test.
    monkeypatch.setattr(MATMUL, "allow_tf32", False)
    monkeypatch.setenv(ALLOCATOR_VARIABLE, "")


def test_tf32_applies_to_cuda_and_not_to_the_cpu() -> None:
    matrix = torch.rand(64, 64)
    expected = matrix @ matrix
    set_up_cuda(Speed())
    assert MATMUL.allow_tf32 is False
    set_up_cuda(Speed(tf32=True))
    assert MATMUL.allow_tf32 is True
    assert torch.backends.mkldnn.matmul.fp32_precision != "tf32"
    assert torch.equal(matrix @ matrix, expected)


def test_pytorch_knows_the_allocator_setting() -> None:
    set_up_cuda(Speed())
    assert os.environ[ALLOCATOR_VARIABLE] == ""
    set_up_cuda(Speed(expandable_segments=True))
    # Raises ValueError for an unknown setting, also without a GPU.
    torch._C._accelerator_setAllocatorSettings(os.environ[ALLOCATOR_VARIABLE])
    assert os.environ[ALLOCATOR_VARIABLE] == cuda_settings.EXPANDABLE_SEGMENTS
