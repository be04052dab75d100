import errno
import os
from pathlib import Path

import pytest

from everswin_trainer.system.atomic_file import write_json


def test_a_failed_write_names_the_file_and_leaves_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=f"Input/output error: '{tmp_path}/x.json'"):
        write_json(tmp_path / "x.json", {})
    assert list(tmp_path.iterdir()) == []
