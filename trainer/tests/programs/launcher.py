"""A launcher without torch: each argument starts a rank in its own session. It exits when all ranks have.

Like torchrun it forwards SIGTERM, and reaps ended ranks a moment later.

The words of an argument are what the rank does after its first heartbeat: seconds to wait, `exit=N`, `kill`, `raise`
(writes torchelastic's error file), `report=REASON` (an `ended` event), `save` (starts a checkpoint), `saved` (removes
it), `stop` (waits for a stop request), `deaf` (ignores SIGTERM). With `torchrun-report` as the last argument, the
launcher prints torchrun's report once a rank has failed, and stays.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from everswin_trainer.job.folder import JOB_ENV, Attempt, Job, is_stop_requested
from everswin_trainer.job.heartbeat import HeartbeatWriter
from everswin_trainer.job.progress import Progress

REPORT = """\
Root Cause (first observed failure):
[0]:
  time      : 2026-01-02_03:04:05
  host      : here
  rank      : 1 (local_rank: 1)
  exitcode  : 143 (pid: {pid})
  error_file: <N/A>
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html
=====
"""


def launch(scripts: list[str]) -> None:
    stays = scripts[-1] == "torchrun-report"
    ranks = [start(number, script) for number, script in enumerate(scripts[:-1] if stays else scripts)]
    signal.signal(signal.SIGTERM, lambda number, _frame: [rank.send_signal(number) for rank in ranks])
    while living := [rank for rank in ranks if rank.returncode is None]:
        ended = [rank for rank in living if has_ended(rank.pid)]
        time.sleep(0.2)
        for rank in ended:
            rank.wait()
    codes = [rank.returncode for rank in ranks]
    if stays:
        print(REPORT.format(pid=ranks[1].pid), end="", flush=True)
        time.sleep(600)
    sys.exit(next((abs(code) for code in codes if code != 0), 0))


def has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def start(number: int, script: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, "RANK": str(number), "TORCHELASTIC_ERROR_FILE": f"{os.environ[JOB_ENV]}/error-{number}.json"}
    return subprocess.Popen([sys.executable, __file__, "--rank", script], env=env, start_new_session=True)


def be_rank(words: list[str]) -> None:
    job, number = Job.at(os.environ[JOB_ENV]), int(os.environ["RANK"])
    HeartbeatWriter(job, number)
    for word in words:
        name, _, value = word.partition("=")
        match name:
            case "exit":
                os._exit(int(value))
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "raise":
                message = {"message": "ValueError: failed", "extraInfo": {"timestamp": str(int(time.time()))}}
                Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(json.dumps({"message": message}))
            case "report":
                progress = Progress(job.progress, Attempt.from_environment().number)
                progress.write("ended", reason=value, epoch=1, iteration=1)
            case "save" | "saved":
                part = job.checkpoints / ".e001-i000001.pth.part"
                part.parent.mkdir(exist_ok=True)
                part.touch() if name == "save" else part.unlink()
            case "stop":
                signal.signal(signal.SIGTERM, lambda _number, _frame: None)
                while not is_stop_requested(job):
                    time.sleep(0.02)
            case "deaf":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            case _:
                time.sleep(float(word))


if sys.argv[1] == "--rank":
    be_rank(sys.argv[2].split())
else:
    launch(sys.argv[1:])
