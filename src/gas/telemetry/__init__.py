"""What GAS tells of itself: metrics for Prometheus, traces for OpenTelemetry.

``families.py`` declares every metric. Those of the service (``service.py``) are read from the
database when somebody asks, so they are the same whichever web process of whichever host answers;
what can only be counted as it happens is written down in the transaction of what it counts
(``counting.py``). Those of requests (``http_times.py``) are a host's own.
"""
