"""Incidents and messages as the API says them."""

from broker.console.views import IncidentView, MessageView
from broker.stores.acknowledge_tokens import without_tokens
from broker.stores.incident_models import DRILL, FIRE
from broker.stores.incidents import Incident
from broker.stores.messages import Message

MS_PER_S = 1000.0


def incident_view(one: Incident, now_unix_ms: int) -> IncidentView:
    """An incident, with its age since it was opened. `still_url` may answer 404 while no picture has come."""
    return IncidentView(
        id=one.incident_id,
        code=one.code,
        market=one.market,
        zone=one.zone,
        kind=one.kind,
        severity=one.severity,
        level=one.level,
        state=one.state,
        is_active=one.is_active,
        detail=one.detail,
        age_s=max(0.0, (now_unix_ms - one.opened_unix_ms) / MS_PER_S),
        opened_unix_ms=one.opened_unix_ms,
        updated_unix_ms=one.updated_unix_ms,
        cleared_unix_ms=one.cleared_unix_ms,
        acknowledged_unix_ms=one.acknowledged_unix_ms,
        acknowledged_by=one.acknowledged_by,
        acknowledged_via=one.acknowledged_via,
        closed_unix_ms=one.closed_unix_ms,
        first_seen_unix_ms=one.first_seen_unix_ms,
        decided_unix_ms=one.decided_unix_ms,
        media_position_s=one.media_position_s,
        score_max=one.score_max,
        event_count=one.event_count,
        still_url=f"/api/v1/incidents/{one.incident_id}/still" if one.severity in {FIRE, DRILL} else None,
    )


def message_view(one: Message) -> MessageView:
    """A message to a person. A link in its text is cut: whoever reads it here must not be able to press it."""
    return MessageView(
        id=one.message_id,
        incident_id=one.incident_id,
        market=one.market,
        recipient_name=one.recipient_name,
        recipient=one.recipient,
        channel=one.channel,
        text=without_tokens(one.text),
        state=one.state,
        provider=one.provider,
        provider_reference=one.provider_reference,
        attempts=one.attempts,
        created_unix_ms=one.created_unix_ms,
        due_unix_ms=one.due_unix_ms,
        accepted_unix_ms=one.accepted_unix_ms,
        delivered_unix_ms=one.delivered_unix_ms,
        error=one.error,
    )
