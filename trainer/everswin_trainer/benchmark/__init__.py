"""`gpu-check`: measures the speed switches on this machine with images that are drawn for it."""
