"""Asks a process whether it is ready. An HTTP client proper would cost more to import than all the asking."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit


async def answers_ok(url: str, *, timeout: float = 2.0) -> bool:  # noqa: ASYNC109 - one bound for all of it
    """Whether GET url is answered with 200 in time."""
    status, _ = await answer_of(url, timeout=timeout)
    return status == 200


async def answer_of(url: str, *, timeout: float = 2.0) -> tuple[int, str]:  # noqa: ASYNC109 - the same
    """The status and the body of the answer to GET url; 0 if there is none in time."""
    address = urlsplit(url)
    assert address.hostname is not None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            try:
                head = f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode())
                head, _, body = (await reader.read()).decode(errors="replace").partition("\r\n\r\n")
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return 0, ""
    status = head.split(maxsplit=2)[1:2]
    return int(status[0]) if status and status[0].isdecimal() else 0, body.strip()
