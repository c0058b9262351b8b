"""The nouns of service-desk."""

from service_desk.cases.form import CASES

RESOURCES = (CASES,)
