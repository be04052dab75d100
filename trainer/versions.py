"""Checks that every change of the trainer came with a decision about its version.

versions.json holds an integer for each part of the trainer. Cached data sets, weights and tests, and the decision to
train a model again, depend on these integers and not on the code. So a change that gives other results must raise the
integer of its part, and any other change must not. versions.lock.json holds the code for which this was decided:

    python trainer/versions.py                          names the files that changed without a decision
    python trainer/versions.py --same                   the results are the same: records the code
    python trainer/versions.py --changed test dataset   the results of these parts change: raises their versions too

Comments, docstrings and formatting are no part of the code.
"""

import argparse
import ast
import hashlib
import json
import re
import sys
from pathlib import Path

TRAINER = Path(__file__).parent
VERSIONS = TRAINER / "versions.json"
LOCK = TRAINER / "versions.lock.json"
PACKAGE = "everswin_trainer"
PACKAGES = "requirements.lock"
# Modules that the commands of each part run. What they import belongs to the part as well.
PARTS = {
    "recipe": ["model.recipe"],
    "dataset": ["data.prepare_dataset"],
    "weights": ["model.convert_weights"],
    "training": ["training.train"],
    "test": ["evaluation.test"],
}
COMMAND = ".everswin/tools/trainer-env/bin/python trainer/versions.py"


def main(argv: list[str]) -> int:
    """Checks or records the decisions. Returns 1 if one is missing."""
    parser = argparse.ArgumentParser(prog="versions.py", description=(__doc__ or "").splitlines()[0])
    decision = parser.add_mutually_exclusive_group()
    decision.add_argument("--same", action="store_true", help="the changed code gives the same results")
    decision.add_argument("--changed", nargs="+", metavar="PART", choices=PARTS, help="parts that give other results")
    arguments = parser.parse_args(argv)
    parts = {part: closure(modules) for part, modules in PARTS.items()}
    code = read_code(parts)
    if arguments.same or arguments.changed:
        versions = json.loads(VERSIONS.read_text())
        raised = {part: versions.get(part, 1) + (part in (arguments.changed or [])) for part in PARTS}
        write(VERSIONS, raised)
        write(LOCK, code)
        return 0
    changed = undecided(json.loads(LOCK.read_text()), code)
    if changed:
        print(explain(changed, parts), file=sys.stderr)
    return 1 if changed else 0


def closure(modules: list[str]) -> set[str]:
    """Returns the files of these modules and of all that they import from the trainer, inside functions too."""
    files: set[str] = set()
    names = [f"{PACKAGE}.{module}" for module in modules]
    while names:
        name = names.pop()
        file = f"{name.replace('.', '/')}.py"
        if file in files or not (TRAINER / file).exists():
            continue
        files.add(file)
        for node in ast.walk(ast.parse((TRAINER / file).read_text())):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return files


def read_code(parts: dict[str, set[str]]) -> dict[str, str]:
    """Returns the hash of the code of each file, and of the versions of the packages that it runs with."""
    files = sorted(set().union(*parts.values()))
    return {PACKAGES: hash_packages((TRAINER / PACKAGES).read_text())} | {
        file: hash_code((TRAINER / file).read_text()) for file in files
    }


def hash_code(source: str) -> str:
    """Returns the hash of the syntax tree of `source` without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                    node.body = rest
    return sha256(dump(tree))


def dump(node: object) -> str:
    """Formats a syntax tree without positions and empty fields. `ast.dump` depends on the version of Python."""
    if isinstance(node, list):
        return f"[{', '.join(map(dump, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [f"{name}={dump(value)}" for name, value in ast.iter_fields(node) if value not in (None, [])]
    return f"{type(node).__name__}({', '.join(fields)})"


def hash_packages(lock: str) -> str:
    """Returns the hash of the packages and versions of a lock file, without comments and hashes of archives."""
    return sha256("\n".join(sorted(re.findall(r"^[A-Za-z0-9].*?==[^ ;\\]+", lock, re.MULTILINE))))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def undecided(decided: dict[str, str], code: dict[str, str]) -> list[str]:
    """Returns the files whose code is not the decided one, including new and removed files."""
    return sorted(file for file in decided.keys() | code.keys() if decided.get(file) != code.get(file))


def explain(changed: list[str], parts: dict[str, set[str]]) -> str:
    """Formats the changed files with their parts, and the commands that record the decision."""
    lines = [f"{file} ({', '.join(parts_of(file, parts)) or 'no longer used'})" for file in changed]
    return "\n".join(
        [
            "The code of the trainer changed without a decision whether its results change:",
            *(f"  {line}" for line in lines),
            "Cached steps and retrainings depend on that decision (trainer/versions.json). Record it:",
            f"  {COMMAND} --same           if the same inputs give the same results",
            f"  {COMMAND} --changed PART   if they do not; PART is one or more of {', '.join(PARTS)}",
        ]
    )


def parts_of(file: str, parts: dict[str, set[str]]) -> list[str]:
    return [part for part, files in parts.items() if file in files or file == PACKAGES]


def write(path: Path, content: dict[str, int] | dict[str, str]) -> None:
    path.write_text(f"{json.dumps(content, indent=2)}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
