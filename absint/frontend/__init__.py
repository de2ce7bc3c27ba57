"""The front end: `.vm` text and Python expressions enter, graphs leave."""
