"""Why a network answers as it does: what its layers make of a sample, and what in the sample its answer comes from."""
