"""The finished detector: its files for MMDetection, and predictions with it."""
