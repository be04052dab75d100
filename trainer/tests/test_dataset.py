import json
from pathlib import Path

import pytest

from everswin_trainer.dataset import CocoFolder


def folder(root: Path, content: str) -> CocoFolder:
    (root / "annotations").mkdir()
    (root / "annotations/instances_val2017.json").write_text(content)
    return CocoFolder.at(root)


def test_classes_come_in_the_order_of_the_file_not_of_their_ids(tmp_path: Path) -> None:
    categories = [{"id": 7, "name": "triangle"}, {"id": 1, "name": "circle"}]
    assert folder(tmp_path, json.dumps({"categories": categories})).classes() == ("triangle", "circle")


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"categories": []}', '{"categories": [{"name": "a"}, {"name": "a"}]}']
)
def test_annotations_without_usable_categories_are_refused_by_name(tmp_path: Path, content: str) -> None:
    with pytest.raises(ValueError, match=r"instances_val2017\.json"):
        folder(tmp_path, content).classes()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"instances_val2017\.json"):
        CocoFolder.at(tmp_path).classes()
