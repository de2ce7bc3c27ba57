"""Asking programs: questions, views, backends and their profiles, engines, image files."""
