"""Trace to report: task sets, runs that resume, and tables."""
