"""What `gatescope.parameters` is made of: rows of layers, runs as graphs, costs of ops."""
