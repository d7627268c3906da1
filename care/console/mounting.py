"""Puts the console on the app: pages, static files, security policy, the listener."""

from pathlib import Path
from typing import Final, Protocol

from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import ui

from care.console import (
    assets,
    claims,
    code_page,
    node_page,
    patient,
    patients,
    problem,
    reject_detail,
    rejects,
    sign_in,
    unassigned,
    worklist,
)
from care.console.live import Live
from care.console.security import PagePolicy
from care.console.visitor import Console
from care.people.sign_in import USUAL, Lifetime
from runtime.clock import Clock
from store.pool import Pool

# The colours of style.css that Quasar has to know.
BRAND: Final = "#0f5c63"
GOOD: Final = "#1d6b3f"
BAD: Final = "#a61b1b"
PAGES: Final = (
    *(worklist, patients, patient, unassigned),
    *(claims, node_page, rejects, reject_detail, code_page, problem),
)


class ConsoleSettings(Protocol):
    """What the console needs of the settings of its service."""

    @property
    def database_url(self) -> str:
        """Where to listen for changes."""
        ...

    @property
    def unit_key(self) -> Path | None:
        """The file with the key that checks claim codes, where units are claimed."""
        ...


def mount(
    app: FastAPI,
    pool: Pool,
    clock: Clock,
    settings: ConsoleSettings,
    lifetime: Lifetime = USUAL,
) -> None:
    """Put the console under `/` of the app; call it after every other route. Once a process:
    NiceGUI keeps its pages and browsers in one place.
    """
    live = Live(settings.database_url)
    console = Console(pool, clock, live, lifetime, settings.unit_key)
    app.include_router(assets.router)
    app.include_router(sign_in.routes(console))
    for page in PAGES:
        page.register(console)
    nicegui_app.colors(primary=BRAND, positive=GOOD, negative=BAD)
    nicegui_app.on_startup(live.run)
    nicegui_app.add_middleware(PagePolicy)
    ui.add_head_html(f'<link rel="stylesheet" href="{assets.STYLE}">', shared=True)
    ui.run_with(
        app,
        title="Hearthbeat",
        favicon=assets.path_of("mark.svg"),
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10.0,
        message_history_length=200,
    )
