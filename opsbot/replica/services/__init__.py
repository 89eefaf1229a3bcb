"""Describe operations of the embedded AWS, one file for each family of services; each answers from the world."""
