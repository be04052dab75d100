"""Checkpoints: their files, when to save them, and which of them to keep."""
