"""HTTP and WebSocket doors, as a mountable ASGI application."""
