"""The data set and weights of the demo, drawn by this code."""
