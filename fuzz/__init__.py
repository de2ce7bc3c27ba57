"""Random programs and the checks they are put to."""
