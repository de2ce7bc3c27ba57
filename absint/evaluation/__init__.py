"""What is asked of a program and who answers: backends, views, image files."""
