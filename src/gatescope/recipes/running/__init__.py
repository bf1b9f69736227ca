"""What commands do with recipes: load, sweep, evaluate, predict."""
