"""What a run keeps for its report."""
