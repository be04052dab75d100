import ast

import pytest

from conftest import TRAINER
from everswin_trainer.data.findings import Findings, format_count

PLURALS = {
    "annotation": "annotations",
    "byte": "bytes",
    "category": "categories",
    "class": "classes",
    "entry": "entries",
    "file": "files",
    "image": "images",
    "key": "keys",
    "name": "names",
    "object": "objects",
}


@pytest.mark.parametrize("noun", PLURALS)
def test_a_noun_is_in_the_plural_unless_the_count_is_one(noun: str) -> None:
    assert [format_count(count, noun) for count in (0, 1, 2)] == [
        f"0 {PLURALS[noun]}",
        f"1 {noun}",
        f"2 {PLURALS[noun]}",
    ]


def test_every_noun_of_a_finding_is_listed_here() -> None:
    nouns = set()
    for file in (TRAINER / "everswin_trainer").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if (
                name in ("add", "add_all", "format_count")
                and len(node.args) >= 2
                and isinstance(node.args[1], ast.Constant)
            ):
                # Another function of this name takes a sentence.
                nouns |= {node.args[1].value} if str(node.args[1].value).isalpha() else set()
    assert nouns <= PLURALS.keys()
    assert {"annotation", "class", "image"} <= nouns


def test_a_line_has_a_count_five_examples_and_the_remedy() -> None:
    findings = Findings("train")
    for number in range(7):
        findings.add("has no name", "class", f"id {number}", "Name it")
    findings.add_all("is empty", "file", 3, iter("abc"))
    findings.add_once("nothing is left")
    assert findings.lines() == [
        "train: has no name: 7 classes (id 0, id 1, id 2, id 3, id 4, …). Name it",
        "train: is empty: 3 files (a, b, c)",
        "train: nothing is left",
    ]
