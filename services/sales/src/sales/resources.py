"""The nouns of sales, each as one filled-in form."""

from kith.resource import Follows, Resource
from sales.commands import opportunities, orders, products, tasks
from sales.domain.opportunity import Opportunity
from sales.domain.order import Order, Return
from sales.domain.product import Product
from sales.domain.task import Task
from sales.queries.opportunities import OpportunityView
from sales.queries.orders import OrderView, ReturnView
from sales.queries.products import ProductView
from sales.queries.tasks import TaskView
from sales.storage import tables

PRODUCTS = Resource(
    "product", "products", Product, tables.products, ProductView, products.COMMANDS, filters=("family",)
)
OPPORTUNITIES = Resource(
    "opportunity",
    "opportunities",
    Opportunity,
    tables.opportunities,
    OpportunityView,
    opportunities.COMMANDS,
    filters=("customer_id", "stage", "owner", "product_id"),
    follows={"product_id": Follows(tables.products.c.id, ("currency",))},
)
ORDERS = Resource(
    "order",
    "orders",
    Order,
    tables.orders,
    OrderView,
    orders.ORDER_COMMANDS,
    filters=("customer_id", "country"),
    follows={"opportunity_id": Follows(tables.opportunities.c.id, ("customer_id", "currency"))},
    appends=True,
)
RETURNS = Resource(
    "return",
    "returns",
    Return,
    tables.returns,
    ReturnView,
    orders.RETURN_COMMANDS,
    filters=("customer_id", "country"),
    follows={"order_id": Follows(tables.orders.c.id, ("customer_id", "currency", "country"))},
    checks=orders.orders_cover,
    appends=True,
)
TASKS = Resource(
    "task",
    "tasks",
    Task,
    tables.tasks,
    TaskView,
    tasks.COMMANDS,
    filters=("customer_id", "owner", "state", "run_id", "playbook_id"),
    follows={"run_id": Follows(tables.known_runs.c.id, ("customer_id", "playbook_id"), on_sight=True)},
)
