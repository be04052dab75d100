"""Checks that deferred imports change no behavior, and that the list of modules is complete."""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from everswin_trainer.model import deferred_imports

SOURCE = '''
"""Documentation of the module."""
import matplotlib
import os
import scipy.stats as stats
from scipy.optimize import root, minimize

DEFAULT = minimize

class Solver:
    def name(self):
        """Documentation of the method."""
        return [(lambda: stats.__name__)() for _ in range(1)][0]

    def backend(self):
        return matplotlib.__name__, os.name

def program():
    def inner():
        return root
    return inner
'''


def run(module: ast.Module) -> ModuleType:
    made = ModuleType("made")
    exec(compile(module, "made", "exec"), made.__dict__)
    return made


def test_functions_import_what_they_use() -> None:
    made = run(deferred_imports.defer(SOURCE.encode()))
    assert made.__doc__ == "Documentation of the module."
    assert made.Solver.name.__doc__ == "Documentation of the method."
    assert made.Solver().name() == "scipy.stats"
    assert made.Solver().backend() == ("matplotlib", importlib.import_module("os").name)
    from scipy.optimize import root

    assert made.program()() is root


def test_module_keeps_an_import_that_it_uses_itself() -> None:
    made = run(deferred_imports.defer(SOURCE.encode()))
    from scipy.optimize import minimize

    assert made.DEFAULT is minimize
    assert not hasattr(made, "stats")
    assert not hasattr(made, "matplotlib")


def test_every_module_of_mmdetection_that_imports_the_packages_is_listed() -> None:
    spec = importlib.util.find_spec("mmdet")
    assert spec and spec.origin
    root = Path(spec.origin).parent
    names = tuple(f"{word} {name}".encode() for word in ("import", "from") for name in deferred_imports.PACKAGES)
    found = {
        ".".join(("mmdet", *path.relative_to(root).with_suffix("").parts))
        for path in root.rglob("*.py")
        if ".mim" not in path.parts and any(line.startswith(names) for line in path.read_bytes().splitlines())
    }
    assert found == deferred_imports.MODULES


@pytest.mark.parametrize("name", sorted(deferred_imports.MODULES))
def test_no_listed_module_uses_the_packages_while_it_is_imported(name: str) -> None:
    spec = importlib.util.find_spec("mmdet")
    assert spec and spec.origin
    path = Path(spec.origin).parent.joinpath(*name.split(".")[1:]).with_suffix(".py")
    top = deferred_imports.defer(path.read_bytes()).body
    assert not [one for one in top if deferred_imports._is_deferred(one)]
