"""Training on one rank: MMEngine's Runner with the hooks that make it resumable."""
