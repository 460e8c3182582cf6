"""Runs as they lie in their folder: listed, looked at, compared and removed, without torch."""
