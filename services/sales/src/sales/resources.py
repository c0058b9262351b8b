"""The nouns of sales, each as one filled-in form."""

from kith.nouns.resource import Follows, Resource
from sales import tables
from sales.opportunities import commands as opportunities
from sales.opportunities.rules import Opportunity
from sales.opportunities.views import OpportunityView
from sales.orders import commands as orders
from sales.orders.rules import Order, Return
from sales.orders.views import OrderView, ReturnView
from sales.products import commands as products
from sales.products.rules import Product
from sales.products.views import ProductView
from sales.tasks import commands as tasks
from sales.tasks.rules import Task
from sales.tasks.views import TaskView

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
    insert_only=True,
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
    insert_only=True,
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
