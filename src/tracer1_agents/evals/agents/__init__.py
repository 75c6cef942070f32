"""Our agent behind the interfaces of other people's benchmarks; their environments are not part of this package."""
