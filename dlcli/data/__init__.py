"""Where data is found, read and made into batches."""
