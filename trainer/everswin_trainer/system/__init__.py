"""Access to files, processes and resources of the machine, on which every other package builds."""
