#!/bin/sh
# One attempt from the newest checkpoint file, as people write it. Environment: PYTHON, JOB_DIR; arguments: of the fake trainer.
newest=$(ls -t "$JOB_DIR"/checkpoints/*.pth 2>/dev/null | head -n 1)
exec "$PYTHON" -m fake_trainer train "$@" ${newest:+--resume "$newest"}
