"""Training: datasets, teachers, degradations, losses, discriminators, and the training run.

A student is the network that is trained, a teacher the larger one (or the ground truth) whose output is its target.
"""
