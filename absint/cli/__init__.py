"""The command line: arguments, a function for each command, and the tables that commands print."""
