"""The fake trainer on several ranks, under torchrun: a real process group, and each step waits for all ranks.

argv: that of `fake_trainer train`. The first rank leaves what it leaves, every other one the same in its own folder.
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

    def leave_if_told(self) -> None:
        [self.stop.requested] = self.rank.all_reduce_any(self.stop.requested)
        super().leave_if_told()


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
