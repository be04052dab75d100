"""Files, processes and resources of the machine: what every other package builds on."""
