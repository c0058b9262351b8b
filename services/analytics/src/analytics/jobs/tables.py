"""The table of jobs: what takes minutes to find out of everybody's health (see kith.jobs)."""

from analytics.tables import metadata
from kith.jobs.table import jobs_table

health_jobs = jobs_table(metadata, "health_jobs")
