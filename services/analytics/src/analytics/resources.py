"""The nouns of analytics, each as one filled-in form."""

from analytics.commands import health_models, playbook_drafts, pulses, signals
from analytics.domain.health_models import HealthModel
from analytics.domain.playbooks.playbook import Playbook
from analytics.domain.pulse import Pulse
from analytics.domain.signal import Reading, Signal
from analytics.queries.health_models import HealthModelView
from analytics.queries.playbooks import PlaybookView
from analytics.queries.pulses import PulseView
from analytics.queries.signals import ReadingView, SignalView
from analytics.storage import tables
from kith.resource import Resource

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
    appends=True,
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
