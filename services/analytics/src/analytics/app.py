"""Where the API of analytics is wired together."""

from analytics.api import cohorts, definitions, reconciliation, value
from analytics.api.graphql import schema
from analytics.api.rest import router
from kith.api import Api

API = Api(schema, routers=[router, cohorts.router, definitions.router, reconciliation.router, value.router])
