"""What lessons draw and measure: pictures of a mechanism at work in trained networks."""
