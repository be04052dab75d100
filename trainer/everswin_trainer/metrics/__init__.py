"""COCO scores of detections."""
