"""Data before any training: which there is, what it is like, and what is wrong with it."""
