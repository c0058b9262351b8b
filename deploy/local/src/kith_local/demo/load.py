"""Sends the demo through the public bulk API, and waits until it is counted."""

import asyncio

import httpx
from rich.console import Console

from kith_local.demo.mapping import map_demo
from kith_local.demo.marker import Marker
from kith_local.errors import LocalError
from kith_local.layout import Layout
from kith_local.replay.api import Api
from kith_local.replay.folding import ledger_size, wait_until_folded
from kith_local.replay.report import Lines
from kith_local.replay.sender import Sender, Sent
from kith_local.replay.session import service_urls
from kith_local.tokens import fetch_token

TENANT = "demo"
PATIENCE = 30.0


def load_demo(layout: Layout, console: Console) -> int:
    """Raises LocalError if anything of it is refused or not counted."""
    marker = Marker.of(layout)
    marker.keep(layout)  # before the first row: if this is cut short, the next time sends the same
    sent = asyncio.run(_send(layout, marker, console))
    for rejected in sent.rejected:
        console.print(f"refused: {rejected.reason} ({rejected.detail})", markup=False, highlight=False)
    if sent.rejected:
        raise LocalError(f"{len(sent.rejected)} rows of the demo were refused.")
    marker.is_loaded = True
    marker.keep(layout)
    console.print(f"The demo tenant is loaded: {sent.events} events.")
    return 0


async def _send(layout: Layout, marker: Marker, console: Console) -> Sent:
    token = fetch_token(layout, tenant=TENANT)
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        api = Api(http, service_urls(layout), token, patience=PATIENCE)
        progress = Lines(console)
        before = await ledger_size(api)
        sent = await Sender(api, progress).send(map_demo(marker.today).commands)
        await wait_until_folded(
            api, sent.positions, before=before, published=sent.events, progress=progress, patience=PATIENCE
        )
        return sent
