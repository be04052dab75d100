import errno
import json
import os
from pathlib import Path

import pytest

from everswin_trainer.system.atomic_file import encode_json, write_json


def test_a_failed_write_names_the_file_and_leaves_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=f"Input/output error: '{tmp_path}/x.json'"):
        write_json(tmp_path / "x.json", {})
    assert list(tmp_path.iterdir()) == []


def test_text_of_a_file_name_that_is_not_utf_8_survives() -> None:
    name = os.fsdecode(b"\xff.jpg")
    assert json.loads(encode_json({"message": name}))["message"] == name
