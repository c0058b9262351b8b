"""Nouns of other services that analytics names by their ids: who they are, their services say, to those who may read
them there."""

from dataclasses import dataclass
from uuid import UUID


@dataclass
class Product:
    """Of sales."""

    id: UUID


@dataclass
class User:
    """Of contacts."""

    id: UUID


@dataclass
class Team:
    """Of contacts."""

    id: UUID
