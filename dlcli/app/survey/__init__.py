"""What lies at a path, as far as a config has to know it."""
