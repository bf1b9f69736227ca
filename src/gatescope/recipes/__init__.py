"""Complete configurations, each with its expected band and its baseline."""
