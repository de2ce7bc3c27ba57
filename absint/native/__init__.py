"""Native code: units compiled once per machine, the cache that keeps them, the memory that they work on."""
