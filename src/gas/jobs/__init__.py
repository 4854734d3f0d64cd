"""The life of a job. ``lifecycle`` tells it from top to bottom."""
