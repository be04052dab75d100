"""Converts each hostile file in a child process, as production does."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hostile_weights import hostile_files, load_unsafely

from conftest import PROGRAMS, environment
from contract import check_answer

RECIPE = Path(__file__).parents[3] / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"
NAMES = [name for name, _, _ in hostile_files(Path("/nowhere/canary"), "http://127.0.0.1:1")]


@dataclass
class Corpus:
    """Result of the conversions. `requests` holds the paths that the files requested from the server of the test."""

    files: dict[str, tuple[bytes, bool]]
    answers: dict[str, dict[str, Any]]
    canary: Path
    created: list[str]
    requests: list[str]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, list[str]]]:
    """Starts a server; yields a URL on it and the list of requested paths."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    http_server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http_server.server_port}/canary", paths
    http_server.shutdown()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, server: tuple[str, list[str]]) -> Corpus:
    root, (url, paths) = tmp_path_factory.mktemp("hostile"), server
    canary = root / "canary"
    files = {name: (content, works) for name, content, works in hostile_files(canary, url)}
    (root / "files").mkdir()
    (root / "out").mkdir()
    for name, (content, _) in files.items():
        (root / "files" / name).write_bytes(content)
    command = [sys.executable, str(PROGRAMS / "convert_many.py"), str(RECIPE), str(root / "files"), str(root / "out")]
    subprocess.run(command, env=environment(), check=True, cwd=root, timeout=300)
    answers = {name: check_answer("convert-weights", root / "out" / f"{name}.json") for name in files}
    created = [path.name for path in root.rglob("*") if path.is_file() and path.parent.name != "files"]
    return Corpus(files, answers, canary, [name for name in created if not name.endswith(".json")], list(paths))


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_file_is_refused_with_a_message_and_none_of_its_code_runs(corpus: Corpus, name: str) -> None:
    answer = corpus.answers[name]
    assert (answer["ok"], answer["result"]) == (False, None)
    reason = answer["rejected"]
    assert 20 < len(reason) < 400
    assert reason.isprintable()
    assert "Re-running" not in reason, "contains torch's advice to run the file's code"


def test_hostile_files_create_no_file_and_send_no_request(corpus: Corpus) -> None:
    assert corpus.created == []
    assert corpus.requests == []


def test_hostile_files_take_effect_when_loaded_without_safeguards(
    corpus: Corpus, server: tuple[str, list[str]]
) -> None:
    """Proves that the tests above would detect an effect."""
    armed = {name: content for name, (content, works) in corpus.files.items() if works}
    assert len(armed) >= 10
    for name, content in armed.items():
        load_unsafely(content)
        assert corpus.canary.exists() or server[1], name
        corpus.canary.unlink(missing_ok=True)
        server[1].clear()
