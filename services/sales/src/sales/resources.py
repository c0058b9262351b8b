"""The nouns of sales, each as one filled-in form."""

from kith.resource import Resource
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
)
ORDERS = Resource(
    "order",
    "orders",
    Order,
    tables.orders,
    OrderView,
    orders.ORDER_COMMANDS,
    filters=("customer_id", "country"),
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
)
