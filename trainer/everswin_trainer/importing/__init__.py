"""Imports data sets that other programs exported: recognizes the format, splits, and writes COCO annotations."""
