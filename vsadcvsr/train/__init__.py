"""Training: datasets, teachers, degradations, losses, discriminators, and the training run."""
