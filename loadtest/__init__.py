"""`make loadtest`: the embedded farm under the original's two loads, measured.

    locustfile.py      300 people (runs in Locust's own environment)
    annotator_load.py  a job every five seconds
    __main__.py        starts the service, has both run in turn, looks on, writes the report
    watch.py           instances and CPU, once a second
    report.py          numbers, pictures, the verdict

The two farms are loaded one after the other: they share the machine with whoever loads them.
"""
