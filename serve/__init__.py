"""The outside of CuraGenie: HTTP, WebSocket and the command line. The word `serve` alone is Ray's."""
