"""Keras layers that Keras lacks: region proposals, RoIAlign, attention over regions."""
