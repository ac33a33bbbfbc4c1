"""Serve an arena's page."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from .page import build_page
from .rounds import Arena


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
    import gradio as gr

    if not password and not _is_local(host):
        logger.warning("Everyone who reaches %s:%d can chat and vote, and sees the results: set a password.", host, port)
    sans = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")  # nothing is downloaded
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
            theme=gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=sans, radius_size="lg"),
            css_paths=Path(__file__).with_name("page.css"),
        )
    except OSError as error:
        raise ValueError(f"Nothing can listen at {host}:{port} ({error}). Pass another --port or --host.") from error
    print(f"The arena is open at {page.local_url}  (votes: {arena.store.path}; stop with Ctrl+C)", flush=True)
    page.block_thread()


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
