"""The gallery of health models as a view."""

from dataclasses import dataclass

from analytics.health.model.gallery import GALLERY
from analytics.health.model.inputs import INPUTS
from analytics.health.model.rules import Document


@dataclass(slots=True)
class GalleryModel:
    """`not_published`: the measures that read events no service publishes yet. Until then they are absent, by the
    model's own rule."""

    name: str
    title: str
    description: str
    document: Document
    not_published: list[str]


def gallery() -> list[GalleryModel]:
    return [
        GalleryModel(
            name,
            each.document["title"],
            each.description,
            dict(each.document),
            [measure["id"] for measure in each.document["measures"] if not INPUTS[measure["input"]].published],
        )
        for name, each in GALLERY.items()
    ]
