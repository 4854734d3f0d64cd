"""Telling people: one mail per job, on completion or on failure."""
