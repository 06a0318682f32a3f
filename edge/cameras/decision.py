"""What the agent is told of a camera's fire."""

import base64

from contract.events import Phase
from edge.cameras.episode import Episode
from edge.ports import FireDecision, StillPicture


def decision_of(episode: Episode, phase: Phase, *, zone: str, camera: str) -> FireDecision:
    """The decision for this phase. What spoke for fire and its stills go with raised, private stills with cleared."""
    raised = phase is Phase.RAISED
    stills = tuple(
        StillPicture(base64.b64decode(one.jpeg_base64), one.width_px, one.height_px, one.moment, one.private)
        for one in episode.line.stills
        if phase is not Phase.ONGOING and one.private is not raised
    )
    return FireDecision(
        event_id=episode.event_id,
        phase=phase,
        zone=zone,
        camera=camera,
        score=episode.score,
        first_seen_unix_ms=episode.first_seen_unix_ms,
        decided_unix_ms=episode.decided_unix_ms,
        media_position_s=episode.position_s,
        stills=stills,
        drill=episode.drill,
        reasons=episode.line.reasons if raised else (),
        scores=episode.line.scores if raised else (),
    )
