from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from everswin_trainer.training.safe_types import to_safe_types


def test_a_checkpoint_is_readable_without_running_code(tmp_path: Path) -> None:
    state = {
        "weights": OrderedDict(a=torch.ones(2), b=torch.nn.Parameter(torch.zeros(1))),
        "numbers": [np.float64(0.5), np.int64(3), True, None, (1, "two")],
        "milestones": Counter([2, 2, 5]),
    }
    torch.save(to_safe_types(state), tmp_path / "state.pth")
    back = torch.load(tmp_path / "state.pth", weights_only=True)
    assert back["numbers"] == [0.5, 3, True, None, (1, "two")]
    assert [type(one) for one in back["numbers"][:2]] == [float, int]
    assert back["milestones"] == Counter({2: 2, 5: 1})
    assert torch.equal(back["weights"]["a"], torch.ones(2))


@pytest.mark.parametrize("value", [Path("x"), np.zeros(2), {1}, object()], ids=["path", "array", "set", "object"])
def test_other_types_are_refused_naming_their_path(value: object) -> None:
    with pytest.raises(ValueError, match=r"expected state\.meta\[1\] to be plain numbers, text or tensors, got a"):
        to_safe_types({"meta": [0, value]})
