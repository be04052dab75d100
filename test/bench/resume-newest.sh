#!/bin/sh
# Runs one attempt from the newest checkpoint file. Environment: PYTHON, JOB_DIR. Arguments: those of the fake trainer.
newest=$(ls -t "$JOB_DIR"/checkpoints/*.pth 2>/dev/null | head -n 1)
exec "$PYTHON" -m fake_trainer train "$@" ${newest:+--resume "$newest"}
