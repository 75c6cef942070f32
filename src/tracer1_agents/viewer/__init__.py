"""A person looks: forecast against what happened."""
