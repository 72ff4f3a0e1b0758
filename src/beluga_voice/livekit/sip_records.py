"""Phone lines as LiveKit keeps them, as plain values. Passwords go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from beluga_voice.errors import ConfigError
from beluga_voice.livekit.records import AgentRequest
from beluga_voice.livekit.sdk import api

__all__ = [
    "DispatchRule",
    "InboundTrunk",
    "OutboundTrunk",
    "SipCall",
    "SipTransport",
    "dispatch_rule",
    "inbound_trunk",
    "outbound_trunk",
    "rule_message",
    "sip_transport",
]

SipTransport = Literal["auto", "udp", "tcp", "tls"]


@dataclass(frozen=True, slots=True)
class InboundTrunk:
    """Who may call in, and on which numbers.

    Attributes:
        id: ``ST_…``.
        name: for people to read.
        numbers: that are called (``+15550100``); empty is any.
        allowed_addresses: IP addresses or networks that calls may come from; empty is any.
        allowed_numbers: that may call; empty is any.
        auth_username: of the SIP digest the caller's provider must know; its password is never told.
        metadata: free text.
        headers_to_attributes: SIP header to the attribute the caller's participant gets it in.
    """

    id: str
    name: str = ""
    numbers: tuple[str, ...] = ()
    allowed_addresses: tuple[str, ...] = ()
    allowed_numbers: tuple[str, ...] = ()
    auth_username: str = ""
    metadata: str = ""
    headers_to_attributes: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class OutboundTrunk:
    """Through whom calls go out.

    Attributes:
        id: ``ST_…``.
        name: for people to read.
        address: of the provider's SIP server: a host, with or without a port.
        numbers: that a call may come from.
        transport: ``auto``, ``udp``, ``tcp`` or ``tls``.
        auth_username: at the provider; the password is never told.
        metadata: free text.
        headers: SIP headers of each call.
    """

    id: str
    name: str = ""
    address: str = ""
    numbers: tuple[str, ...] = ()
    transport: str = "auto"
    auth_username: str = ""
    metadata: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class DispatchRule:
    """Which room an incoming call goes to.

    Attributes:
        id: ``SDR_…``.
        name: for people to read.
        room: all calls go to this one room, if not empty.
        room_prefix: each caller gets a room of its own whose name begins so, if ``room`` is empty.
        pin: digits a caller must enter first.
        trunk_ids: the trunks it is for; empty is all.
        inbound_numbers: the callers it is for; empty is all.
        agents: sent to the rooms it makes.
        hide_phone_number: keep the caller's number out of name and attributes.
        metadata: of the caller's participant.
        attributes: of the caller's participant.
    """

    id: str
    name: str = ""
    room: str = ""
    room_prefix: str = ""
    pin: str = ""
    trunk_ids: tuple[str, ...] = ()
    inbound_numbers: tuple[str, ...] = ()
    agents: tuple[AgentRequest, ...] = ()
    hide_phone_number: bool = False
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class SipCall:
    """A phone call that was begun.

    Attributes:
        call_id: ``SCL_…``; the participant has it as attribute ``sip.callID``.
        identity: of the callee's participant.
        room: the room's name.
        participant_sid: the server's id of the participant.
    """

    call_id: str
    identity: str
    room: str
    participant_sid: str = ""


def inbound_trunk(trunk: api.SIPInboundTrunkInfo) -> InboundTrunk:
    """From LiveKit's message."""
    return InboundTrunk(
        id=trunk.sip_trunk_id,
        name=trunk.name,
        numbers=tuple(trunk.numbers),
        allowed_addresses=tuple(trunk.allowed_addresses),
        allowed_numbers=tuple(trunk.allowed_numbers),
        auth_username=trunk.auth_username,
        metadata=trunk.metadata,
        headers_to_attributes=dict(trunk.headers_to_attributes),
    )


def outbound_trunk(trunk: api.SIPOutboundTrunkInfo) -> OutboundTrunk:
    """From LiveKit's message."""
    return OutboundTrunk(
        id=trunk.sip_trunk_id,
        name=trunk.name,
        address=trunk.address,
        numbers=tuple(trunk.numbers),
        transport=api.SIPTransport.Name(trunk.transport).removeprefix("SIP_TRANSPORT_").lower(),
        auth_username=trunk.auth_username,
        metadata=trunk.metadata,
        headers=dict(trunk.headers),
    )


def dispatch_rule(rule: api.SIPDispatchRuleInfo) -> DispatchRule:
    """From LiveKit's message."""
    kind = rule.rule.WhichOneof("rule")
    direct, individual, callee = (
        rule.rule.dispatch_rule_direct,
        rule.rule.dispatch_rule_individual,
        rule.rule.dispatch_rule_callee,
    )
    prefixed = callee if kind == "dispatch_rule_callee" else individual
    return DispatchRule(
        id=rule.sip_dispatch_rule_id,
        name=rule.name,
        room=direct.room_name,
        room_prefix=prefixed.room_prefix,
        pin=direct.pin or prefixed.pin,
        trunk_ids=tuple(rule.trunk_ids),
        inbound_numbers=tuple(rule.inbound_numbers),
        agents=tuple(
            AgentRequest(agent.agent_name, agent.metadata, dict(agent.attributes))
            for agent in rule.room_config.agents
        ),
        hide_phone_number=rule.hide_phone_number,
        metadata=rule.metadata,
        attributes=dict(rule.attributes),
    )


def rule_message(op: str, room: str, room_prefix: str, pin: str) -> api.SIPDispatchRule:
    """LiveKit's form of where calls go: to one room, or each to its own.

    Raises:
        ConfigError: ``invalid_config`` if neither or both are given, or the PIN has others than digits.
    """
    if bool(room) == bool(room_prefix):
        raise ConfigError(op, "invalid_config", "livekit: give either room or room_prefix")
    if pin and not (pin.isascii() and pin.isdigit()):
        raise ConfigError(op, "invalid_config", "livekit: pin must be digits, for it is entered on a phone")
    if room:
        return api.SIPDispatchRule(dispatch_rule_direct=api.SIPDispatchRuleDirect(room_name=room, pin=pin))
    return api.SIPDispatchRule(
        dispatch_rule_individual=api.SIPDispatchRuleIndividual(room_prefix=room_prefix, pin=pin)
    )


def sip_transport(op: str, name: str) -> api.SIPTransport:
    """LiveKit's constant.

    Raises:
        ConfigError: ``invalid_config``.
    """
    try:
        return api.SIPTransport.Value(f"SIP_TRANSPORT_{name.upper()}")  # pyright: ignore[reportReturnType]
    except ValueError as error:
        raise ConfigError(
            op, "invalid_config", f"livekit: transport={name!r}; choose auto, udp, tcp or tls"
        ) from error
