"""Lists the GPUs of this machine, leases them to jobs and queues jobs that wait for them."""
