"""Training: pools of samples, teachers, degradations, losses, judges, and the run that ties them together."""
