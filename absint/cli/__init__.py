"""The command line: the arguments, a function for each command, and the tables that they print."""
