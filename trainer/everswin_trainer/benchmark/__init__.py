"""Implements `gpu-check`, which measures the speed switches on this machine with synthetic images."""
