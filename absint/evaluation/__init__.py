"""What is asked of a program and who answers: questions, views, profiles, backends, engines, image files."""
