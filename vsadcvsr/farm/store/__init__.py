"""Job folders: chunks, claims, ledger and source fingerprints, on a file system that workers share."""
