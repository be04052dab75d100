"""A stand-in for the trainer: deterministic, done in seconds, with the files and endings of the real one."""
