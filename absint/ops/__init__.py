"""The operations: what they mean, how they are bounded, what they ask of their operands."""
