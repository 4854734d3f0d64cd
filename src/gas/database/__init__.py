"""Django's way to PostgreSQL, with a cheaper look at whether a connection is alive."""
