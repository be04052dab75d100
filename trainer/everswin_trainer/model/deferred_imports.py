"""Defers packages that MMDetection imports at once and few recipes need: they take a second and 80 MiB of each rank.

Such an import moves from the top of a module into the functions that use its names. All classes exist and are
registered as before, and a function behaves the same from its first call.
"""

import ast
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import Any

PACKAGES = frozenset(("imgaug", "matplotlib", "scipy"))
# Modules that import them at the top (tests/model/test_deferred_imports.py).
MODULES = frozenset(
    (
        "mmdet.datasets.transforms.generate_line",
        "mmdet.evaluation.metrics.crowdhuman_metric",
        "mmdet.evaluation.metrics.culane_metric",
        "mmdet.models.dense_heads.clr_head.clr_head",
        "mmdet.models.dense_heads.clr_head.lane",
        "mmdet.models.task_modules.assigners.hungarian_assigner",
        "mmdet.models.task_modules.assigners.topk_hungarian_assigner",
        "mmdet.models.task_modules.tracking.aflink",
        "mmdet.models.trackers.sort_tracker",
        "mmdet.utils.mot_error_visualize",
        "mmdet.visualization.local_visualizer",
    )
)


def install() -> None:
    """Defers the packages in modules that are imported from now on. Safe to call again."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname not in MODULES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Compiles the changed source. The bytecode on disk is that of the original."""

    def get_code(self, fullname: str) -> CodeType:
        return compile(defer(self.get_data(self.path)), self.path, "exec", dont_inherit=True)


def defer(source: bytes) -> ast.Module:
    """Returns a module whose imports of PACKAGES are in its functions, unless the module itself uses their names."""
    module = ast.parse(source)
    functions = list(_outermost_functions(module))
    inside = {id(node) for function in functions for statement in function.body for node in ast.walk(statement)}
    used = {node.id for node in ast.walk(module) if isinstance(node, ast.Name) and id(node) not in inside}
    moved = {}
    for statement in [one for one in module.body if _is_deferred(one)]:
        names = {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
        if used.isdisjoint(names):
            module.body.remove(statement)
            moved |= dict.fromkeys(names, statement)
    for function in functions:
        names = [node.id for part in function.body for node in ast.walk(part) if isinstance(node, ast.Name)]
        place = 0 if ast.get_docstring(function) is None else 1
        function.body[place:place] = dict.fromkeys(moved[name] for name in names if name in moved)
    return module


def _is_deferred(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ImportFrom):
        return statement.level == 0 and (statement.module or "").partition(".")[0] in PACKAGES
    return isinstance(statement, ast.Import) and all(
        alias.name.partition(".")[0] in PACKAGES for alias in statement.names
    )


def _outermost_functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        else:
            yield from _outermost_functions(child)
