"""Phone lines by the server API: trunks and dispatch rules. The server needs Redis for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from beluga_voice.errors import ConfigError
from beluga_voice.livekit.calls import Calls
from beluga_voice.livekit.records import AgentRequest
from beluga_voice.livekit.rooms import agent_request
from beluga_voice.livekit.sdk import api
from beluga_voice.livekit.sip_records import (
    DispatchRule,
    InboundTrunk,
    OutboundTrunk,
    SipTransport,
    dispatch_rule,
    inbound_trunk,
    outbound_trunk,
    rule_message,
    sip_transport,
)

__all__ = ["SipLines"]


class SipLines:
    """Trunks and dispatch rules; part of `Sip`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    # --- who may call in ----------------------------------------------------------------------------------

    async def create_inbound_trunk(
        self,
        name: str,
        *,
        numbers: Sequence[str] = (),
        allowed_addresses: Sequence[str] = (),
        allowed_numbers: Sequence[str] = (),
        auth_username: str = "",
        auth_password: str = "",
        metadata: str = "",
        headers_to_attributes: Mapping[str, str] | None = None,
    ) -> InboundTrunk:
        """Lets calls in; see `InboundTrunk` for the fields. The server wants at least one that keeps strangers out.

        Raises:
            ConfigError: ``invalid_config`` if the server refuses it, e.g. because another trunk has the number.
        """
        trunk = api.SIPInboundTrunkInfo(
            name=name,
            numbers=numbers,
            allowed_addresses=allowed_addresses,
            allowed_numbers=allowed_numbers,
            auth_username=auth_username,
            auth_password=auth_password,
            metadata=metadata,
            headers_to_attributes=dict(headers_to_attributes or {}),
        )
        request = api.CreateSIPInboundTrunkRequest(trunk=trunk)
        return inbound_trunk(
            await self._calls.call("livekit_create_trunk", lambda sdk: sdk.sip.create_inbound_trunk(request))
        )

    async def list_inbound_trunks(self, ids: Sequence[str] = ()) -> tuple[InboundTrunk, ...]:
        """All, or those with these ids."""
        request = api.ListSIPInboundTrunkRequest(trunk_ids=ids)
        found = await self._calls.call("livekit_list_trunks", lambda sdk: sdk.sip.list_inbound_trunk(request))
        # The server leaves an empty place for an id it does not know.
        return tuple(inbound_trunk(trunk) for trunk in found.items if trunk.sip_trunk_id)

    async def update_inbound_trunk(
        self,
        trunk_id: str,
        *,
        name: str | None = None,
        numbers: Sequence[str] | None = None,
        allowed_addresses: Sequence[str] | None = None,
        allowed_numbers: Sequence[str] | None = None,
        auth_username: str | None = None,
        auth_password: str | None = None,
        metadata: str | None = None,
    ) -> InboundTrunk:
        """Changes what is given; a list replaces the old one.

        Raises:
            SessionError: ``not_found``.
            ConfigError: ``invalid_config`` if a list is empty: the server cannot empty one, make the trunk anew.
        """
        op = "livekit_update_trunk"
        called = _replacing(op, "numbers", numbers)
        addresses = _replacing(op, "allowed_addresses", allowed_addresses)
        callers = _replacing(op, "allowed_numbers", allowed_numbers)
        return inbound_trunk(
            await self._calls.call(
                op,
                lambda sdk: sdk.sip.update_inbound_trunk_fields(
                    trunk_id,
                    name=name,
                    auth_username=auth_username,
                    auth_password=auth_password,
                    metadata=metadata,
                    numbers=called,
                    allowed_addresses=addresses,
                    allowed_numbers=callers,
                ),
            )
        )

    async def delete_trunk(self, trunk_id: str) -> None:
        """Takes a trunk of either kind away; one that is not there is no error."""
        request = api.DeleteSIPTrunkRequest(sip_trunk_id=trunk_id)
        await self._calls.call("livekit_delete_trunk", lambda sdk: sdk.sip.delete_trunk(request))

    # --- through whom calls go out ------------------------------------------------------------------------

    async def create_outbound_trunk(
        self,
        name: str,
        address: str,
        numbers: Sequence[str],
        *,
        transport: SipTransport = "auto",
        auth_username: str = "",
        auth_password: str = "",
        metadata: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> OutboundTrunk:
        """Lets calls out; see `OutboundTrunk` for the fields.

        Raises:
            ConfigError: ``invalid_config`` if the server refuses it.
        """
        op = "livekit_create_trunk"
        trunk = api.SIPOutboundTrunkInfo(
            name=name,
            address=address,
            numbers=numbers,
            transport=sip_transport(op, transport),
            auth_username=auth_username,
            auth_password=auth_password,
            metadata=metadata,
            headers=dict(headers or {}),
        )
        request = api.CreateSIPOutboundTrunkRequest(trunk=trunk)
        return outbound_trunk(await self._calls.call(op, lambda sdk: sdk.sip.create_outbound_trunk(request)))

    async def list_outbound_trunks(self, ids: Sequence[str] = ()) -> tuple[OutboundTrunk, ...]:
        """All, or those with these ids."""
        request = api.ListSIPOutboundTrunkRequest(trunk_ids=ids)
        found = await self._calls.call(
            "livekit_list_trunks", lambda sdk: sdk.sip.list_outbound_trunk(request)
        )
        return tuple(outbound_trunk(trunk) for trunk in found.items if trunk.sip_trunk_id)

    async def update_outbound_trunk(
        self,
        trunk_id: str,
        *,
        name: str | None = None,
        address: str | None = None,
        numbers: Sequence[str] | None = None,
        transport: SipTransport | None = None,
        auth_username: str | None = None,
        auth_password: str | None = None,
        metadata: str | None = None,
    ) -> OutboundTrunk:
        """Changes what is given; a list replaces the old one.

        Raises:
            SessionError: ``not_found``.
            ConfigError: ``invalid_config`` if ``numbers`` is empty or the transport is not known.
        """
        op = "livekit_update_trunk"
        changed = None if transport is None else sip_transport(op, transport)
        numbered = _replacing(op, "numbers", numbers)
        return outbound_trunk(
            await self._calls.call(
                op,
                lambda sdk: sdk.sip.update_outbound_trunk_fields(
                    trunk_id,
                    name=name,
                    address=address,
                    numbers=numbered,
                    transport=changed,
                    auth_username=auth_username,
                    auth_password=auth_password,
                    metadata=metadata,
                ),
            )
        )

    # --- where calls go -----------------------------------------------------------------------------------

    async def create_dispatch_rule(
        self,
        name: str,
        *,
        room: str = "",
        room_prefix: str = "",
        pin: str = "",
        trunk_ids: Sequence[str] = (),
        inbound_numbers: Sequence[str] = (),
        agents: Sequence[str | AgentRequest] = (),
        hide_phone_number: bool = False,
        metadata: str = "",
        attributes: Mapping[str, str] | None = None,
    ) -> DispatchRule:
        """Says where incoming calls go; see `DispatchRule` for the fields.

        Raises:
            ConfigError: ``invalid_config`` if it is not one of ``room`` and ``room_prefix``, or the server refuses it,
                e.g. because another rule is for the same calls.
        """
        op = "livekit_create_dispatch_rule"
        rule = api.SIPDispatchRuleInfo(
            name=name,
            rule=rule_message(op, room, room_prefix, pin),
            trunk_ids=trunk_ids,
            inbound_numbers=inbound_numbers,
            hide_phone_number=hide_phone_number,
            metadata=metadata,
            attributes=dict(attributes or {}),
        )
        if agents:
            rule.room_config.agents.extend(agent_request(agent).message() for agent in agents)
        request = api.CreateSIPDispatchRuleRequest(dispatch_rule=rule)
        return dispatch_rule(await self._calls.call(op, lambda sdk: sdk.sip.create_dispatch_rule(request)))

    async def list_dispatch_rules(self, ids: Sequence[str] = ()) -> tuple[DispatchRule, ...]:
        """All, or those with these ids."""
        request = api.ListSIPDispatchRuleRequest(dispatch_rule_ids=ids)
        found = await self._calls.call(
            "livekit_list_dispatch_rules", lambda sdk: sdk.sip.list_dispatch_rule(request)
        )
        return tuple(dispatch_rule(rule) for rule in found.items if rule.sip_dispatch_rule_id)

    async def update_dispatch_rule(
        self,
        rule_id: str,
        *,
        name: str | None = None,
        room: str = "",
        room_prefix: str = "",
        pin: str = "",
        trunk_ids: Sequence[str] | None = None,
        metadata: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> DispatchRule:
        """Changes what is given; ``room`` or ``room_prefix`` (with ``pin``) replace where calls go.

        Raises:
            SessionError: ``not_found``.
            ConfigError: ``invalid_config`` if ``trunk_ids`` is empty, or a ``pin`` comes without a place to go.
        """
        op = "livekit_update_dispatch_rule"
        where = rule_message(op, room, room_prefix, pin) if room or room_prefix or pin else None
        trunks = _replacing(op, "trunk_ids", trunk_ids)
        return dispatch_rule(
            await self._calls.call(
                op,
                lambda sdk: sdk.sip.update_dispatch_rule_fields(
                    rule_id,
                    name=name,
                    rule=where,
                    trunk_ids=trunks,
                    metadata=metadata,
                    attributes=None if attributes is None else dict(attributes),
                ),
            )
        )

    async def delete_dispatch_rule(self, rule_id: str) -> None:
        """Takes a rule away; one that is not there is no error."""
        request = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule_id)
        await self._calls.call(
            "livekit_delete_dispatch_rule", lambda sdk: sdk.sip.delete_dispatch_rule(request)
        )


def _replacing(op: str, field: str, values: Sequence[str] | None) -> api.ListUpdate | None:
    if values is None:
        return None
    if not values:
        raise ConfigError(
            op, "invalid_config", f"livekit: {field} cannot be emptied by an update; make a new one"
        )
    return api.ListUpdate(set=values)
