"""Phone calls by the server API. They need livekit-sip beside the server, both on one Redis."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration

from beluga_voice.errors import BackendError, ConfigError, ConnectError
from beluga_voice.livekit.sdk import api
from beluga_voice.livekit.sip_lines import SipLines
from beluga_voice.livekit.sip_records import SipCall

__all__ = ["Sip"]

_RING_MARGIN = 5.0  # a call must be answered within ringing_timeout; then the server has this long to say so


class Sip(SipLines):
    """Trunks, dispatch rules and calls; ``LiveKitApi.sip``."""

    async def call(
        self,
        room: str,
        number: str,
        trunk_id: str,
        *,
        identity: str = "",
        name: str = "",
        from_number: str = "",
        metadata: str = "",
        attributes: Mapping[str, str] | None = None,
        dtmf: str = "",
        dialtone: bool = False,
        hide_phone_number: bool = False,
        wait: bool = False,
        ringing_timeout: float = 30.0,
        max_duration: float = 0.0,
    ) -> SipCall:
        """Calls a phone into a room, as a participant.

        Args:
            room: its name; made if it is not there.
            number: to call.
            trunk_id: an outbound trunk.
            identity: of the participant; made from the number if empty.
            name: for people to read.
            from_number: one of the trunk's, which chooses if it is empty.
            metadata: of the participant.
            attributes: of the participant.
            dtmf: keys to press once answered; ``w`` waits half a second: ``1w2``.
            dialtone: lets the room hear it ring.
            hide_phone_number: keep the number out of identity, name and attributes.
            wait: return only when somebody has answered; otherwise follow attribute ``sip.callStatus``.
            ringing_timeout: whole seconds.
            max_duration: whole seconds; 0 leaves it to the server.

        Raises:
            ConnectError: ``connection_failed`` if nobody answers (``details["sip_status_code"]``: 486 busy, 603
                declined …) or the server has no SIP service.
            SessionError: ``not_found`` if there is no such trunk.
        """
        op = "livekit_call"
        for field, value in (("room", room), ("number", number), ("trunk_id", trunk_id)):
            if not value:
                raise ConfigError(op, "invalid_config", f"livekit: {field} is required")
        request = api.CreateSIPParticipantRequest(
            sip_trunk_id=trunk_id,
            sip_call_to=number,
            sip_number=from_number,
            room_name=room,
            participant_identity=identity,
            participant_name=name,
            participant_metadata=metadata,
            participant_attributes=dict(attributes or {}),
            dtmf=dtmf,
            play_dialtone=dialtone,
            hide_phone_number=hide_phone_number,
            wait_until_answered=wait,
            ringing_timeout=Duration(seconds=round(ringing_timeout)),
        )
        if max_duration:
            request.max_call_duration.FromSeconds(round(max_duration))
        seconds = ringing_timeout + _RING_MARGIN if wait else None
        try:
            made = await self._calls.call(
                op, lambda sdk: sdk.sip.create_sip_participant(request, timeout=seconds), timeout=seconds
            )
        except ConnectError as error:
            raise _no_service(error) from error
        return SipCall(made.sip_call_id, made.participant_identity, made.room_name, made.participant_id)

    async def transfer(
        self,
        room: str,
        identity: str,
        to: str,
        *,
        dialtone: bool = False,
        headers: Mapping[str, str] | None = None,
        ringing_timeout: float = 30.0,
    ) -> None:
        """Hands a caller over to another phone (SIP REFER) and so out of the room.

        Args:
            room: its name.
            identity: of the caller's participant.
            to: ``tel:+15550100`` or ``sip:desk@example.com``.
            dialtone: lets the caller hear it ring.
            headers: SIP headers of the request.
            ringing_timeout: whole seconds.

        Raises:
            ConfigError: ``invalid_config`` if ``to`` is neither.
            SessionError: ``not_found`` if the caller is not there.
            ConnectError: ``connection_failed`` if the transfer is refused or not answered.
        """
        op = "livekit_transfer"
        if not to.startswith(("tel:", "sip:", "sips:")):
            raise ConfigError(
                op, "invalid_config", f"livekit: to={to!r}; write tel:+15550100 or sip:NAME@HOST"
            )
        request = api.TransferSIPParticipantRequest(
            room_name=room,
            participant_identity=identity,
            transfer_to=to,
            play_dialtone=dialtone,
            headers=dict(headers or {}),
            ringing_timeout=Duration(seconds=round(ringing_timeout)),
        )
        seconds = ringing_timeout + _RING_MARGIN
        try:
            answer = await self._calls.call(
                op, lambda sdk: sdk.sip.transfer_sip_participant(request, timeout=seconds), timeout=seconds
            )
        except ConnectError as error:
            raise _no_service(error) from error
        if answer.status == api.SIPTransferStatus.STS_TRANSFER_FAILED:
            reason = api.SIPTransferReason.Name(answer.reason).removeprefix("STR_").lower()
            status = answer.sip_status
            details = {"sip_status_code": int(status.code), "sip_status": status.status, "reason": reason}
            raise ConnectError(
                op, "connection_failed", f"livekit: the transfer failed: {reason}", details, retryable=False
            )


def _no_service(error: ConnectError) -> BackendError:
    """The server's word for it is that nobody answered."""
    if "no response from servers" not in error.message:
        return error
    what = f"livekit: no SIP service answers at {error.details['peer']}; is livekit-sip running on the same Redis?"
    return ConnectError(error.op, error.code, what, error.details)
