"""One suite for every backend and every domain, found through the registry."""
