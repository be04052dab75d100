"""Checkpoint files, the interval between saves, and retention."""
