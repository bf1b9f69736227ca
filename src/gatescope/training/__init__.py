"""Training: fit with checkpoints and exact resume, schedules, the region proposal network."""
