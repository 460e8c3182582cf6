"""What a run keeps of its data and of its answers, so that a report can be made of it without either."""
