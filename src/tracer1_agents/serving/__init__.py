"""Somewhere to sample: transformers in-process, OpenAI-compatible servers."""
