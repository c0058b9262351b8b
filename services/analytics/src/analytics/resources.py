"""The nouns of analytics, each as one filled-in form."""

from analytics import tables
from analytics.health.model import commands as health_models
from analytics.health.model.reads import HealthModelView
from analytics.health.model.rules import HealthModel
from analytics.playbooks import commands as playbook_drafts
from analytics.playbooks.reads import PlaybookView
from analytics.playbooks.rules import Playbook
from analytics.pulses import commands as pulses
from analytics.pulses.reads import PulseView
from analytics.pulses.rules import Pulse
from analytics.signals import commands as signals
from analytics.signals.reads import ReadingView, SignalView
from analytics.signals.rules import Reading, Signal
from kith.nouns.resource import Resource

HEALTH_MODELS = Resource(
    "health_model",
    "health_models",
    HealthModel,
    tables.health_models,
    HealthModelView,
    health_models.COMMANDS,
    filters=("state",),
    checks=health_models.signals_are_defined,
)
SIGNALS = Resource(
    "signal",
    "signals",
    Signal,
    tables.signals,
    SignalView,
    signals.SIGNAL_COMMANDS,
    filters=("code",),
    checks=signals.code_is_free,
)
READINGS = Resource(
    "reading",
    "readings",
    Reading,
    tables.readings,
    ReadingView,
    signals.READING_COMMANDS,
    filters=("customer_id", "signal_id"),
    insert_only=True,
)
PULSES = Resource("pulse", "pulses", Pulse, tables.pulses, PulseView, pulses.COMMANDS, filters=("customer_id",))
PLAYBOOKS = Resource(
    "playbook",
    "playbooks",
    Playbook,
    tables.playbooks,
    PlaybookView,
    playbook_drafts.COMMANDS,
    filters=("state",),
    checks=playbook_drafts.signal_is_defined,
)
