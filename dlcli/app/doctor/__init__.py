"""Whether this machine can train: small checks, each with what mends what it finds."""
