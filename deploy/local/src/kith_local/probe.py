"""Asks a process whether it is ready. An HTTP client proper would cost more to import than all the asking."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit


async def answers_ok(url: str, *, timeout: float = 2.0) -> bool:  # noqa: ASYNC109 - one bound for all of it
    """Whether GET url is answered with 200 in time."""
    address = urlsplit(url)
    assert address.hostname is not None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            try:
                head = f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode())
                status = (await reader.readline()).split()
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
    return len(status) > 1 and status[1] == b"200"
