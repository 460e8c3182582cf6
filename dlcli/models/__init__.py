"""From a graph to a torch module."""
