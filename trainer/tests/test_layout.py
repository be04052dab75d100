"""Tests the imports of the trainer: packages have no cycles, and the product imports no test."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PRODUCT = TESTS.parent / "everswin_trainer"


def imported_modules(root: Path, file: Path) -> set[str]:
    """Returns the absolute names of what `file` below the package `root` imports, inside functions too."""
    package = [root.name, *file.parent.relative_to(root).parts]
    modules: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            modules |= {f"{module}.{alias.name}" for alias in node.names}
    return modules


def imports_of_packages(root: Path) -> dict[str, set[str]]:
    """Returns what each package below `root` imports of its siblings; modules of `root` itself are not packages."""
    packages = sorted(folder.name for folder in root.iterdir() if (folder / "__init__.py").exists())
    graph: dict[str, set[str]] = {}
    for package in packages:
        modules = {name for file in (root / package).rglob("*.py") for name in imported_modules(root, file)}
        targets = {module.split(".")[1] for module in modules if module.startswith(f"{root.name}.")}
        graph[package] = targets & set(packages) - {package}
    return graph


def find_cycle(graph: dict[str, set[str]]) -> list[str] | None:
    """Returns the packages of one cycle, the first one also at the end, or None."""
    acyclic: set[str] = set()

    def visit(package: str, path: list[str]) -> list[str] | None:
        if package in path:
            return [*path[path.index(package) :], package]
        if package not in acyclic:
            for target in sorted(graph[package]):
                if cycle := visit(target, [*path, package]):
                    return cycle
            acyclic.add(package)
        return None

    return next((cycle for package in graph if (cycle := visit(package, []))), None)


def test_packages_import_each_other_without_a_cycle() -> None:
    graph = imports_of_packages(PRODUCT)
    assert "supervisor" in graph and "job" in graph["supervisor"]
    assert find_cycle(graph) is None


def test_the_product_does_not_import_tests() -> None:
    ours = {path.stem for path in TESTS.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    for file in PRODUCT.rglob("*.py"):
        imported = {module.split(".")[0] for module in imported_modules(PRODUCT, file)}
        assert not imported & {*ours, "tests", "pytest"}, file


@pytest.mark.parametrize(
    "back",
    [
        "from planted.upper.module import name",
        "import planted.upper.module",
        "from planted import upper",
        "from ..upper import module",
        "def late():\n    from planted.upper import module",
    ],
)
def test_find_cycle_finds_a_planted_cycle(tmp_path: Path, back: str) -> None:
    upper, middle = "from planted.middle import module", "from planted.lower import module"
    for package, text in {"upper": upper, "middle": middle, "lower": back}.items():
        folder = tmp_path / "planted" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "module.py").write_text(text)
    assert find_cycle(imports_of_packages(tmp_path / "planted")) == ["lower", "upper", "middle", "lower"]
    (tmp_path / "planted/lower/module.py").write_text("import json")
    assert find_cycle(imports_of_packages(tmp_path / "planted")) is None
