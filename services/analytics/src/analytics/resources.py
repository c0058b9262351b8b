"""The nouns of analytics."""

from analytics.health.model.form import HEALTH_MODELS
from analytics.playbooks.form import PLAYBOOKS
from analytics.pulses.form import PULSES
from analytics.signals.form import READINGS, SIGNALS

RESOURCES = (HEALTH_MODELS, SIGNALS, READINGS, PULSES, PLAYBOOKS)
