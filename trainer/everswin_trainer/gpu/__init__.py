"""Lists the GPUs of this machine, reads their health, leases them to jobs and queues jobs that wait for them."""
