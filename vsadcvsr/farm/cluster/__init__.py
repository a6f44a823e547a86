"""Workers on a Ray cluster: connection, worker processes, job queue and scheduler."""
