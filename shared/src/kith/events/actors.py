"""Who caused an event, in one word and without personal data: no service has to look anything up to write it.

user:<uuid>        a person
client:<id>        a machine, by the id of its OAuth client
run:<uuid>         a playbook, by its run
form:<uuid>        whoever has filled in a form of a web page, by the form
event:<uuid>       an event that Kith reacts to, by its id
service:<name>     a service of its own accord: a task, a timer, a command of an operator
"""

from uuid import UUID, uuid5

_USERS = UUID("7c1f6f0e-52c8-4f0b-8d0c-3a5b0d1f9e64")


def user_id(tenant: str, subject: str) -> UUID:
    """Returns the id of the person with this token subject. The subject itself may be an e-mail address."""
    return uuid5(_USERS, f"{tenant}/{subject}")


def user(tenant: str, subject: str) -> str:
    return f"user:{user_id(tenant, subject)}"


def client(client_id: str) -> str:
    return f"client:{client_id}"


def run(run_id: UUID) -> str:
    return f"run:{run_id}"


def form(form_id: UUID) -> str:
    return f"form:{form_id}"


def event(event_id: UUID) -> str:
    return f"event:{event_id}"


def service(name: str) -> str:
    return f"service:{name}"


def fills_in_forms(actor: str) -> bool:
    """Whether it is a user or a client: who decides what a record says."""
    return actor.startswith(("user:", "client:"))
