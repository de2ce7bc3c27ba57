"""The intermediate representation: graphs, programs, tapes, and their interpreter."""
