"""Runs the fake trainer on several ranks under torchrun, with a real process group and an all-reduce in each step.

argv: as for `fake_trainer train`. Rank 0 writes to the job folder, every other rank to its own folder.
"""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record

from everswin_trainer.job.folder import JOB_ENV
from everswin_trainer.system.process_setup import prepare_process
from everswin_trainer.training.rank import Rank
from fake_trainer.train import FakeTrainer, parse


class RankedTrainer(FakeTrainer):
    rank: Rank

    def train_step(self, batch: list[int]) -> None:
        share = torch.tensor([batch[0] * (self.rank.number + 1)])
        dist.all_reduce(share)
        super().train_step([*batch, int(share)])

    def stop_if_requested(self) -> None:
        [self.stop.requested] = self.rank.all_reduce_any(self.stop.requested)
        super().stop_if_requested()


@record
def main() -> int:
    arguments = parse(sys.argv[1:])
    prepare_process("cpu")
    rank = Rank.from_environment("cpu")
    rank.connect()
    if not rank.is_rank0:
        arguments.job_dir = Path(os.environ[JOB_ENV], f"of-rank-{rank.number}")
    trainer = RankedTrainer(arguments)
    trainer.rank = rank
    return trainer.run()


if __name__ == "__main__":
    sys.exit(main())
