"""The generator of random programs."""
