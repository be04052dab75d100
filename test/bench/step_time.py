"""Trains a small convolutional net in one thread. Prints the time at the end of each step.

`python step_time.py CORE` pins itself to that core (-1: to none) and runs until its standard input ends.
"""

import os
import select
import sys
import time

import torch


def main() -> None:
    core = int(sys.argv[1])
    if core >= 0:
        os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    torch.manual_seed(1)
    layers = [torch.nn.Conv2d(3, 32, 3), torch.nn.ReLU(), torch.nn.Conv2d(32, 32, 3), torch.nn.AdaptiveAvgPool2d(4)]
    net = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(512, 80))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    images, labels = torch.randn(2, 3, 128, 128), torch.tensor([1, 2])
    while not select.select([sys.stdin], [], [], 0)[0]:
        loss = torch.nn.functional.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"{time.time():.6f}", flush=True)


main()
