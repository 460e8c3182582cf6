"""From a config to a run, and from a run to its use: what the commands and the Python functions share."""
