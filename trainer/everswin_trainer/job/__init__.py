"""The files in a job's folder, which the worker, the supervisor and the ranks read and write."""
