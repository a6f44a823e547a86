"""Limits of retries: after how many failures a farm gives up a chunk, a worker or the start of workers."""

MAX_CHUNK_FAILURES = 3
"""Failures of one chunk, on any workers, after which its job fails."""
MAX_WORKER_FAILURES = 3
"""Failures in a row of one worker after which it gets no more chunks of the job."""
MAX_START_FAILURES = 3
"""Workers in a row that end before they are ready, after which no more are started."""
