"""Monitoring of jobs: attempts, status, summary, live views and the HTML report."""
