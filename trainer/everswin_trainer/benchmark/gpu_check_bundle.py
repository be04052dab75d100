"""Writes a folder with all that `gpu-check` needs on a GPU machine without internet, Node and this project.

`python -m everswin_trainer gpu-check-bundle --recipe FILE … --into FOLDER --out FILE` copies the trainer, the
recipes and the packages that a GPU machine usually lacks. torch, torchvision, OpenCV, NumPy, SciPy and Pillow are those
of that machine.

Packages are copied from this environment, which was installed from the lock file, so nothing is built. Each file is
verified by the hash with which it was installed. Only pycocotools is compiled for one version of Python, so the bundle
has it for each of them, downloaded with the hashes of the lock file. imgaug, matplotlib and shapely are replaced:
MMDetection imports them, but a training draws nothing, and the recipes use nothing of the others.
"""

import argparse
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path, PurePosixPath

from everswin_trainer.model.recipe import flatten, load_recipe
from everswin_trainer.system.atomic_file import write_json

PACKAGE = Path(__file__).parents[1]
LOCK = PACKAGE.parent / "requirements.lock"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Setup installs it next to this environment.
INSTALLED_UV = Path(sys.prefix).parent / "uv/bin/uv"
# Distributions whose files work with each supported version of Python.
PACKAGES = (
    *("onedl-mmdetection", "onedl-mmengine", "onedl-mmcv", "addict", "packaging", "rich", "markdown-it-py", "mdurl"),
    *("pygments", "termcolor", "terminaltables", "tqdm", "six", "pyyaml", "safetensors", "hotcoco"),
)
COMPILED = "pycocotools"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PLATFORM = "x86_64-manylinux_2_28"
# Modules that MMDetection imports and the recipes never call.
UNUSED = (
    *("imgaug", "imgaug.augmentables", "imgaug.augmentables.lines", "imgaug.augmentables.segmaps", "imgaug.augmenters"),
    *("shapely", "shapely.geometry"),
)
# Modules with which MMEngine prepares a figure for each training. Nothing is drawn on it.
DRAWING = (
    *("matplotlib", "matplotlib.backends", "matplotlib.backends.backend_agg", "matplotlib.colors", "matplotlib.figure"),
    *("matplotlib.patches", "matplotlib.pyplot"),
)
STAND_INS = (*UNUSED, *DRAWING)
UNUSED_CODE = """
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*_args, **_settings):
        raise NotImplementedError(__name__ + "." + name + " is not part of the gpu-check bundle")

    return missing
"""
DRAWING_CODE = """
class Nothing:
    def __init__(self, *_args, **_settings):
        pass

    def __getattr__(self, name):
        return Nothing

    def __call__(self, *_args, **_settings):
        return self


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Nothing
"""
MOST_BYTES = 60_000_000


def main(argv: list[str]) -> int:
    """Writes the bundle, and {v, bytes, packages} to `--out`."""
    parser = argparse.ArgumentParser(prog="everswin_trainer gpu-check-bundle")
    parser.add_argument("--recipe", type=Path, nargs="+", required=True, help="the first one is the default there")
    parser.add_argument("--uv", type=Path, default=INSTALLED_UV, help="uv, which downloads the compiled package")
    parser.add_argument("--into", type=Path, required=True, help="folder, empty or missing")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    folder = arguments.into.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"expected {folder} to be empty or missing: choose another folder")
    write_bundle(folder, arguments.recipe, arguments.uv)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if size > MOST_BYTES:
        raise ValueError(f"expected the bundle to have at most {MOST_BYTES} bytes, got {size} in {folder}")
    write_json(
        arguments.out, {"v": 1, "bytes": size, "packages": {name: version(name) for name in (*PACKAGES, COMPILED)}}
    )
    return 0


def write_bundle(folder: Path, recipes: list[Path], uv: Path) -> None:
    shutil.copytree(
        PACKAGE, folder / "packages" / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__", "bundled_run.py")
    )
    for name in PACKAGES:
        copy_distribution(distribution(name), folder / "packages")
    for name in STAND_INS:
        write_stand_in(folder / "stand-ins", name)
    (folder / "recipes").mkdir()
    for recipe in recipes:
        # Without bases, so that MMEngine does not search MMDetection's configs for them.
        (folder / "recipes" / recipe.name).write_text(flatten(load_recipe(recipe, None)))
    for python in PYTHONS:
        install_compiled(uv, python, folder / f"packages-{python}")
    run = (PACKAGE / "benchmark/bundled_run.py").read_text()
    (folder / "run.py").write_text(run.replace("DEFAULT_RECIPE = None", f"DEFAULT_RECIPE = {recipes[0].stem!r}"))


def version(name: str) -> str:
    return distribution(name).version


def copy_distribution(package: Distribution, folder: Path) -> None:
    """Copies the files of an installed package. Raises ValueError if one differs from what was installed."""
    for path, expected in installed_files(package):
        data = Path(str(package.locate_file(path))).read_bytes()
        if base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode() != expected:
            raise ValueError(
                f"{package.locate_file(path)} was changed after its installation: delete .everswin/tools/trainer-env, "
                "then run `npm test` to install it again"
            )
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def installed_files(package: Distribution) -> Iterator[tuple[PurePosixPath, str]]:
    """Yields the files with a hash, except programs and libraries that are compiled for one version of Python."""
    for file in package.files or []:
        is_specific = ".cpython-" in file.name or ".." in file.parts or "__pycache__" in file.parts
        if file.hash is not None and not is_specific:
            yield file, file.hash.value


def write_stand_in(folder: Path, name: str) -> None:
    """Writes a module in which every name exists. A call raises, and one of a drawing module does nothing."""
    parts = name.split(".")
    is_package = any(other.startswith(f"{name}.") for other in STAND_INS)
    path = folder.joinpath(*parts, "__init__.py") if is_package else folder.joinpath(*parts[:-1], f"{parts[-1]}.py")
    path.parent.mkdir(parents=True, exist_ok=True)
    code = DRAWING_CODE if name in DRAWING else UNUSED_CODE
    path.write_text(f'"""Stands in for {name} in the bundle of gpu-check."""\n\n{code}')


def install_compiled(uv: Path, python: str, folder: Path) -> None:
    """Downloads the compiled package for one version of Python. Raises ValueError if that fails."""
    requirement = folder.parent / "requirement.txt"
    requirement.write_text(locked_requirement(COMPILED))
    target = ["--target", str(folder), "--python-version", python, "--python-platform", PLATFORM]
    rules = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
    command = [str(uv), "pip", "install", "--quiet", *target, *rules, "-r", str(requirement)]
    # uv bundles certificates; it must also trust those of the system, such as a company's CA.
    trust = {"UV_SYSTEM_CERTS": "1"} if SYSTEM_CERTIFICATES.exists() else {}
    done = subprocess.run(command, capture_output=True, text=True, env={**trust, **os.environ})
    requirement.unlink()
    if done.returncode != 0:
        raise ValueError(
            f"uv could not install {COMPILED} for Python {python}: {done.stderr.strip()}. It needs the package index, "
            "or a cache in which these files are"
        )
    shutil.rmtree(folder / "bin", ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)


def locked_requirement(name: str) -> str:
    """Returns the lines of a package in the lock file, with its hashes."""
    found = re.search(rf"^{name}==.*(?:\n    --hash=.*)+", LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"expected {LOCK} to have {name} with its hashes")
    return f"{found.group()}\n"
