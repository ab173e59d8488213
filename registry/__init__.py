"""Which listings are the same outcome."""
