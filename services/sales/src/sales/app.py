"""Where the API of sales is wired together."""

from kith.api import Api
from kith.exports import api as exports
from sales.resources import RESOURCES
from sales.tables import people

API = Api(
    "sales",
    RESOURCES,
    features=(exports.exports_feature("sales", RESOURCES),),
    people=people,
    tags={exports.TAG: exports.WORDS},
)
