"""Workers on a Ray cluster: the pool, a process that talks to the cluster, and what stands on each node."""
