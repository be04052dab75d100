"""Runs gpu-check from its bundle: `python run.py` writes gpu-check.json.

Needs Linux on x86-64 and Python 3.10 to 3.13 with torch, torchvision, OpenCV, NumPy, SciPy and Pillow. Installs and
downloads nothing. Other arguments are those of gpu-check, such as `--recipe demo --device cpu --iterations 3`.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
# Set when the bundle is written.
DEFAULT_RECIPE = None
OLDEST, NEWEST = (3, 10), (3, 13)
EXPECTED_TORCH = ("2.10.", "2.11.")
# Modules of the machine, and the packages that contain them.
NEEDED = (
    ("torch", "torch"),
    ("torchvision", "torchvision"),
    ("cv2", "opencv-python-headless"),
    ("numpy", "numpy"),
    ("scipy", "scipy"),
    ("PIL", "pillow"),
)


def main(argv):
    """Returns the exit code: 2 if this machine lacks something."""
    problem = find_problem_of_python()
    if problem is None:
        options, others = parse(argv)
        problem = find_problem_of_packages() or find_problem_of_gpu(options.device) or find_problem_of(options.recipe)
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    return run(options, others)


def find_problem_of_python():
    """Checks Python and platform before anything needs them. Python 3.6 must be able to read this file."""
    found = sys.version_info[:2]
    if not OLDEST <= found <= NEWEST:
        return (
            f"expected Python 3.10 to 3.13, got {platform.python_version()} ({sys.executable}): run this file with "
            "another one that has torch, such as `python3.12 run.py`"
        )
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return (
            f"expected Linux on x86-64, got {sys.platform} on {platform.machine()}: the bundle has files for no other"
        )
    return None


def find_problem_of_packages():
    """Imports what the machine must have."""
    failed = []
    for module, package in NEEDED:
        try:
            importlib.import_module(module)
        except Exception as error:
            reason = "not installed" if isinstance(error, ModuleNotFoundError) and error.name == module else str(error)
            failed.append(f"  {package}: {reason}")
    if failed:
        return (
            "expected this Python to have torch, torchvision, opencv-python-headless, numpy, scipy and pillow, but "
            f"{sys.executable} cannot import:\n" + "\n".join(failed) + "\nInstall them, or run this file with the "
            "Python that has them, such as `/opt/torch/bin/python run.py`"
        )
    import torch

    if not torch.__version__.startswith(EXPECTED_TORCH):
        print(f"warning: made for torch 2.10 and 2.11, got {torch.__version__}", file=sys.stderr)
    return None


def find_problem_of_gpu(device):
    import torch

    if device == "cpu" or torch.cuda.is_available():
        return None
    return (
        f"expected torch {torch.__version__} to find a GPU, got none: check that the driver is loaded (nvidia-smi) and "
        f"supports CUDA {torch.version.cuda}. To try the bundle without a GPU, run `python run.py --device cpu "
        "--recipe demo --iterations 3`"
    )


def find_problem_of(recipe):
    known = list_recipes()
    if find_recipe(recipe) is not None:
        return None
    return f"expected --recipe to be one of {', '.join(known)}, got {recipe}"


def parse(argv):
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--recipe", default=DEFAULT_RECIPE)
    parser.add_argument("--out", default="gpu-check.json")
    return parser.parse_known_args(argv)


def list_recipes():
    return sorted(name[: -len(".py")] for name in os.listdir(os.path.join(FOLDER, "recipes")) if name.endswith(".py"))


def find_recipe(name):
    """Returns the file of a recipe; the name may lack `cascade-mask-rcnn_` or `cascade-mask-rcnn_swin-`."""
    for candidate in (name, f"cascade-mask-rcnn_{name}", f"cascade-mask-rcnn_swin-{name}"):
        if candidate in list_recipes():
            return os.path.join(FOLDER, "recipes", candidate + ".py")
    return None


def run(options, others):
    """Runs gpu-check with the packages of the bundle before those of the machine, and prints its progress."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    folders = [os.path.join(FOLDER, name) for name in (f"packages-{version}", "packages", "stand-ins")]
    path = os.pathsep.join([*folders, *filter(None, [os.environ.get("PYTHONPATH")])])
    out = os.path.abspath(options.out)
    inputs = ["--recipe", find_recipe(options.recipe), "--device", options.device, "--out", out]
    command = [sys.executable, "-m", "everswin_trainer", "gpu-check", *inputs, *others]
    environment = dict(os.environ, PYTHONPATH=path)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, universal_newlines=True)
    last = None
    for line in process.stdout:
        stage = read_stage(line)
        if stage != last and stage is not None:
            print(stage, flush=True)
            last = stage
    code = process.wait()
    if code == 0:
        print(f"Results: {out}\nRead them with `everswin gpu-check --read FILE` on a machine that has everswin.")
    return code


def read_stage(line):
    try:
        return json.loads(line)["stage"]
    except (ValueError, KeyError, TypeError):
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
