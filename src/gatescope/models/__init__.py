"""Builders of Keras models: the backbone, its weights, and the region detector."""
