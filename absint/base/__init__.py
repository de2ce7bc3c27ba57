"""The foundation that every room may import: errors, argument checks, the registry, caches in memory."""
