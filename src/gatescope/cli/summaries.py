"""Lines for the list of commands that must not load what is behind the command."""

GATES = "Show an expression as gates: the value and the gradient on every wire, and why."
RUN = "Run a Keras script as it is, with the hood open: each training becomes a run."
