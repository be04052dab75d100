"""The final test: detections of one checkpoint and their scores."""
