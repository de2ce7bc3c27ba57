"""Native code: units compiled once per machine, their cache, and the records that host and kernels share."""
