"""Models: recipes, pretrained weights, and the configuration that MMEngine builds a detector from."""
