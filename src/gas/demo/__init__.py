"""What `gas demo` runs and shows."""
