"""Agents that tests name on the command line."""


async def echo_briefly(transcript: str) -> str:
    return "Thank you."
