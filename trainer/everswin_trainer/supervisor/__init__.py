"""The supervisor process: it outlives workers, watches the ranks of a job and records how they ended."""
