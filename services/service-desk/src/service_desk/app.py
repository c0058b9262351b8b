"""Where the API of service-desk is wired together."""

from kith.api import Api
from kith.exports import api as exports
from service_desk.resources import RESOURCES
from service_desk.tables import people

API = Api(
    "service-desk",
    RESOURCES,
    features=(exports.exports_feature("service-desk", RESOURCES),),
    people=people,
    tags={exports.TAG: exports.WORDS},
)
