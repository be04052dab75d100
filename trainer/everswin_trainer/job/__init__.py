"""The files of a job: what the worker, the supervisor and the ranks read and write in its folder."""
