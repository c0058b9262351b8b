"""Where the API of sales is wired together."""

from kith.api import Api
from kith.exports import api as exports
from kith.processes import api as processes
from kith.reactions import api as reactions
from sales.deliveries import api as deliveries
from sales.lead_forms import api as lead_forms
from sales.leads import api as leads
from sales.quotes.api import documents_feature
from sales.quotes.rendering import HtmlRendering
from sales.resources import RESOURCES
from sales.tables import people

API = Api(
    "sales",
    RESOURCES,
    features=(
        exports.exports_feature("sales", RESOURCES),
        processes.processes_feature("sales"),
        reactions.reactions_feature("sales"),
        leads.FEATURE,
        lead_forms.FEATURE,
        deliveries.FEATURE,
        documents_feature(HtmlRendering()),
    ),
    people=people,
    tags={exports.TAG: exports.WORDS, processes.TAG: processes.WORDS, reactions.TAG: reactions.WORDS},
)
