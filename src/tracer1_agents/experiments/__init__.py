"""Claims to evidence: arms that are trained and measured alike, and what the differences between them are worth."""
