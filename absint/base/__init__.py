"""What everything may import: errors, plain arguments, the registry, results kept in memory."""
