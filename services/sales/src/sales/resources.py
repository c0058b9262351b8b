"""The nouns of sales."""

from sales.activities.form import ACTIVITIES
from sales.deliveries.form import DELIVERIES
from sales.exchange_rates.form import EXCHANGE_RATES
from sales.forecast_adjustments.form import FORECAST_ADJUSTMENTS
from sales.goals.form import GOALS
from sales.invoices.form import INVOICES
from sales.lead_forms.form import LEAD_FORMS
from sales.lead_queues.form import LEAD_QUEUES
from sales.lead_scoring.form import LEAD_SCORING
from sales.leads.form import LEADS
from sales.milestones.form import MILESTONES
from sales.opportunities.form import OPPORTUNITIES
from sales.orders.form import ORDERS
from sales.pipelines.form import PIPELINES
from sales.price_books.form import PRICE_BOOKS
from sales.prices.form import PRICES
from sales.products.form import PRODUCTS
from sales.quotas.form import QUOTAS
from sales.quote_settings.form import QUOTE_SETTINGS
from sales.quotes.form import QUOTES
from sales.reasons.form import REASONS
from sales.returns.form import RETURNS
from sales.subscriptions.form import SUBSCRIPTIONS
from sales.tasks.form import TASKS

RESOURCES = (
    PRODUCTS,
    PRICE_BOOKS,
    PRICES,
    PIPELINES,
    REASONS,
    OPPORTUNITIES,
    ORDERS,
    RETURNS,
    TASKS,
    ACTIVITIES,
    LEAD_QUEUES,
    LEAD_FORMS,
    LEAD_SCORING,
    LEADS,
    QUOTES,
    QUOTE_SETTINGS,
    QUOTAS,
    SUBSCRIPTIONS,
    EXCHANGE_RATES,
    INVOICES,
    DELIVERIES,
    GOALS,
    MILESTONES,
    FORECAST_ADJUSTMENTS,
)
