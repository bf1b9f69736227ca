"""Rules that look at a training and say what is wrong, where, and what proved to mend it."""
