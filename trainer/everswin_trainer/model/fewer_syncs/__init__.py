"""MMDetection's training code with fewer host syncs and the same results, bit for bit.

A host sync is an operation that makes the process wait for the GPU: a value, size or index that Python reads, or a copy
of Python numbers to the GPU. Each class extends the one of MMDetection whose name it has after the prefix, keeps its
parameters, and is registered in MMDetection's registries; `types.py` puts the classes into a recipe.
"""
