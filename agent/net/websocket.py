"""WebSockets (RFC 6455) whose server knows what its peer has received."""

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class Channel(WebSocketsSansIOProtocol):
    """A WebSocket whose application finds `acknowledged` in its state: it returns when the peer has all that was sent.

    A pong comes after everything before its ping was received (RFC 6455 5.5.3); that the kernel took it says nothing.
    """

    _pings = 0
    _pong: asyncio.Future[None] | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as asyncio has it
        """Give the application its means."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "abort": transport.abort, "acknowledged": self._acknowledged}

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody wait for a peer that has gone."""
        if self._pong is not None and not self._pong.done():
            self._pong.set_exception(ConnectionResetError())
        super().connection_lost(exc)

    def handle_pong(self, event: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        """Take the answer to the last ping."""
        if self._pong is not None and not self._pong.done() and bytes(event.data) == self._payload:
            self._pong.set_result(None)

    @property
    def _payload(self) -> bytes:
        return b"%d" % self._pings

    async def _acknowledged(self) -> None:
        """Return when the peer has everything that was sent; ConnectionError when it has gone. One call at a time."""
        if self.disconnected or self.close_sent or self.transport.is_closing():
            raise ConnectionResetError
        self._pings += 1
        self._pong = self.loop.create_future()
        self.conn.send_ping(self._payload)
        self.transport.write(b"".join(self.conn.data_to_send()))
        await self._pong
