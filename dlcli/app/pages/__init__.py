"""Pages that people read: figures, pictures and the frame that all of them have."""
