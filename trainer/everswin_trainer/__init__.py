"""The Python side of everswin: trains and tests MMDetection models under a supervisor, with exact resume.

Packages, each importing only those below it (tests/test_layout.py checks that there is no cycle):

    benchmark    gpu-check: measures the speed switches on this machine
    evaluation   the final test of a checkpoint
    training     one rank of a training: MMEngine's Runner and hooks
    supervisor   the process that watches the ranks of a job
    analysis     errors, confidence intervals and gallery of a test result
    model        recipes, pretrained weights, the config of the Runner
    checkpoints  files, intervals and retention of checkpoints
    gpu          GPU leases and the queue for them
    metrics      COCO scores
    importing    recognizes and splits data sets that other programs exported
    data         checks, preparation and reading of data sets
    demo         the data set and weights of the demo
    job          plan, control, progress, heartbeats and outcome of a job
    system       atomic files, processes, signals, sandbox
"""
