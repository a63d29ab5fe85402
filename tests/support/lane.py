"""The retrieval door's lane in this process: what its worker does with a request, without sockets and threads."""

import json
from collections.abc import Mapping

from enrollment.protocols.usual_retrievals import UsualRetrievals
from enrollment.redemption import Redemption
from server.lane import Asked
from server.retrieval_lane import RetrievalLane

# Status, fields and body.
Told = tuple[int, dict[str, str], bytes]


def lane_of(redemption: Redemption) -> RetrievalLane:
    """Return the lane of a redemption."""
    return RetrievalLane(UsualRetrievals(redemption, json.dumps))


def ask(lane: RetrievalLane, method: str, path: str, headers: Mapping[str, str], body: bytes, source: str) -> Told | None:
    """Send a request to a lane, in a batch of its own; None when the app is to be asked, because the batch broke or otherwise."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    asked = lane.next("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    if not isinstance(asked, Asked):
        return None
    try:
        [answer] = lane.answer_all([(asked, source)])
    except Exception:  # noqa: BLE001 (whatever breaks a batch, its worker asks the app)
        return None
    if answer is None:
        return None
    fields = dict(line.split(": ", 1) for line in answer.fields.splitlines())
    return int(answer.status.split()[0]), fields, answer.body
