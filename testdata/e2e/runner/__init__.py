"""Meltano runs the project in ../meltano."""
