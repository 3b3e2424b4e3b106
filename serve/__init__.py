"""The outside of CuraGenie: HTTP, WebSocket, command line. The word `serve` alone is Ray's."""
