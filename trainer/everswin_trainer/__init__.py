"""The Python side of everswin: real MMDetection, supervised, with exact resume."""
