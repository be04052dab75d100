"""The GPUs of this machine: which there are, who holds them, and who waits for them."""
