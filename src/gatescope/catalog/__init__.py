"""Facts about losses, activations, initializers, schedules, optimizers and regularizers."""
