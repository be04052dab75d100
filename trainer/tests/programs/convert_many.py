"""Converts many weight files and imports the libraries only once. argv: RECIPE FOLDER OUT."""

import argparse
import sys
from pathlib import Path

from everswin_trainer.model.convert_weights import convert_in_child, prepare
from everswin_trainer.system.process_setup import prepare_process
from everswin_trainer.system.sandbox import drop_credentials, isolate_network

recipe, folder, out = (Path(argument) for argument in sys.argv[1:])
network = isolate_network()
drop_credentials()
prepare_process("cpu")

prepare(recipe, "backbone")
for path in sorted(folder.iterdir()):
    files = {"weights": path, "into": out / path.name, "out": out / f"{path.name}.json"}
    code = convert_in_child(argparse.Namespace(recipe=recipe, part="backbone", **files), network)
    assert code == 0, path.name
