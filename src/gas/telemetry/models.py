"""Counts, readings and trace ids that no other row holds."""

from __future__ import annotations

from django.db import models


class Sample(models.Model):
    """Something that happened and is not yet in a total. Only ever added, never changed: whoever
    counts waits for nobody."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=60)
    label = models.CharField(max_length=60)
    #: Of a histogram: the first bucket whose bound is not below ``value``; else 0.
    bucket = models.PositiveSmallIntegerField()
    value = models.FloatField()

    def __str__(self) -> str:
        return f"{self.name} {self.label} {self.value}"


class Total(models.Model):
    """All that was ever counted under a name, a label and a bucket, up to the last fold."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=60)
    label = models.CharField(max_length=60)
    bucket = models.PositiveSmallIntegerField()
    count = models.BigIntegerField()
    sum = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "label", "bucket"], name="total_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.label} {self.count}"


class Reading(models.Model):
    """A value that takes long to find out, as the reaper last found it."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=60)
    label = models.CharField(max_length=60)
    value = models.FloatField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "label"], name="reading_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.label} {self.value}"


class JobTrace(models.Model):
    """The request that submitted a job, as W3C's ``traceparent``: what is done for the job belongs
    to its trace. Messages carry nothing but an id. Only where traces are on."""

    job = models.OneToOneField(
        "jobs.Job", on_delete=models.CASCADE, primary_key=True, related_name="trace"
    )
    traceparent = models.CharField(max_length=55)

    def __str__(self) -> str:
        return self.traceparent
