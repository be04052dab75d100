"""Data sets: checks archives and annotations, prepares them, and reads images during training."""
