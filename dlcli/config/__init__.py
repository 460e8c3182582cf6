"""What a YAML file says: reading it, checking it, inferring every size in it. Imports no torch."""
