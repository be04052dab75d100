"""The analysis of a test result: errors by kind, confidence intervals and a gallery of images."""
