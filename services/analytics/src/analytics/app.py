"""Where the API of analytics is wired together."""

from analytics.api import cohorts, definitions, health_jobs, reconciliation, value
from analytics.api.graphql import schema
from analytics.api.rest import router
from kith.api import Api

API = Api(
    schema,
    routers=[router, cohorts.router, definitions.router, health_jobs.router, reconciliation.router, value.router],
)
