"""Serve an arena's page."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .page import build_page
from .rounds import Arena


if TYPE_CHECKING:
    import gradio


logger = logging.getLogger(__name__)


def serve(arena: Arena, host: str = "127.0.0.1", port: int = 7860, password: str | None = None) -> None:
    """Serve the page until the process is told to stop.

    Args:
        arena ([`Arena`]): What to serve.
        host (`str`, *optional*, defaults to `"127.0.0.1"`): Address to listen at; the default is this machine only.
        port (`int`, *optional*, defaults to 7860): Port.
        password (`str`, *optional*): What raters must know, under any user name.

    Raises:
        `ImportError`: if gradio is not installed.
        `ValueError`: if the port is taken or the address is not one of this machine.
    """
    page = build_page(arena)
    if not password and not _is_local(host):
        logger.warning(
            "Everyone who reaches %s:%d can chat and vote, and sees the results: set a password.", host, port
        )
    page.queue(default_concurrency_limit=32)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            auth=_password_check(password) if password else None,
            auth_message="Any name will do; the password is the one you were given.",
            footer_links=[],
            prevent_thread_lock=True,
            theme=_theme(),
            css_paths=Path(__file__).with_name("page.css"),
        )
    except OSError as error:
        raise ValueError(f"Nothing can listen at {host}:{port} ({error}). Pass another --port or --host.") from error
    print(f"The arena is open at {page.local_url}  (votes: {arena.store.path}; stop with Ctrl+C)", flush=True)
    page.block_thread()


def _theme() -> gradio.themes.Base:
    """Calm, with contrasts of at least 4.5 to 1; fonts are the system's, so that nothing is downloaded."""
    import gradio as gr

    sans = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
    theme = gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=sans, radius_size="lg")
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_label_text_color="*neutral_700",
        block_title_text_color="*neutral_700",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        input_border_width="1px",
        input_background_fill="white",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        button_secondary_background_fill="*neutral_100",
        button_secondary_background_fill_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
        button_border_width="1px",
    )


def _password_check(password: str) -> Callable[[str, str], Awaitable[bool]]:
    async def check(user: str, given: str) -> bool:
        if hmac.compare_digest(given.encode(), password.encode()):
            return True
        await asyncio.sleep(1)  # guessing is slow
        return False

    return check


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
