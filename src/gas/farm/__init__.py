"""The processes of the service: the embedded database, the supervisor, the workers."""
