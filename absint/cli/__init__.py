"""The command line: the parser, a function for each command, and the tables that they print."""
