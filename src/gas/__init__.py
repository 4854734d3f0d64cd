"""GAS, the Genomics Annotation Service.

docs/architecture.md shows the whole picture; ``gas.jobs.lifecycle`` tells the way of a job.
"""

__version__ = "0.1.0"
