"""
Membership in a consumer group that outlives a process: two ways for a restarted worker to have its partitions at once.

Without them the broker waits for the session of the dead worker to run out before anybody gets its partitions.

*Static membership*, by a stable name (`group.instance.id`), where the broker knows it: whoever joins under the name
takes the place of its predecessor. aiokafka 0.14 sends the name only when it joins, and forgets its member id when the
broker does not know it any more. A zombie would then join under the name as if it were new and throw its successor
out, which would do the same, and so on. So the last member id is said when joining again: the broker answers "unknown"
to one that was merely silent for too long, which then joins anew, and "fenced" to one whose place is taken.
Whoever takes the leader's place is not told that it leads, and aiokafka lets only leaders watch for partitions that
are added; so here everybody does. The broker knows who leads, and rebalances when that one joins again.

*No commit without a name.* Between the moment when a consumer learns that it was thrown out and the moment when its
partitions are taken from it aiokafka would commit as a consumer outside of any group. The broker takes that when the
group happens to be empty, its members between two sessions: a zombie's old offset would stand in the place of a newer.

*Ending the predecessor*, where the broker has no static membership (the embedded one): a worker notes its member id in
a file, and its successor says good-bye in its name. Whoever starts workers with such a file must not run two at once.
"""

import asyncio
import logging
from pathlib import Path

from aiokafka.errors import KafkaError, UnknownMemberIdError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest

from pipeline.streaming.foreign import Foreign

logger = logging.getLogger(__name__)

# Error codes of the Kafka protocol; aiokafka has no name for the second.
UNKNOWN_MEMBER, FENCED_INSTANCE = 25, 82
GOOD_BYE_TIMEOUT_S = 3.0


class Fenced(KafkaError):  # type: ignore[misc]  # noqa: N818 - aiokafka ships no types; the name says what is so
    """Another worker has joined under the name of this one: there must be no two, so this one ends."""


class Membership:
    """
    Stands between aiokafka's coordinator of one consumer and the broker; lives in the consumer's thread.

    Args:
        coordinator: aiokafka's `GroupCoordinator`, before it joins.
        file: Where the member id is noted; None: nowhere.
    """

    def __init__(self, coordinator: Foreign, file: Path | None) -> None:
        self._coordinator = coordinator
        self._file = file
        self._send = coordinator._send_req
        self._reset = coordinator.reset_generation
        self._former = ""
        self.is_fenced = False
        coordinator._send_req = self._send_request
        coordinator.reset_generation = self._reset_generation

    async def end_predecessor(self) -> None:
        """Leave the group in the name of the worker that noted its membership last; trouble only costs time."""
        group, member = self._noted()
        if not member or group != self._coordinator.group_id:
            return
        try:
            await asyncio.wait_for(self._leave(group, member), GOOD_BYE_TIMEOUT_S)
        except (KafkaError, TimeoutError) as error:
            logger.info("The membership of the worker before could not be ended, it must run out: %r", error)

    async def _leave(self, group: str, member: str) -> None:
        await self._coordinator.ensure_coordinator_known()
        await self._send(LeaveGroupRequest(group, member))

    async def _send_request(self, request: Foreign) -> Foreign:
        no_member = self._coordinator.generation == OffsetCommitRequest.DEFAULT_GENERATION_ID
        if isinstance(request, OffsetCommitRequest) and no_member:
            raise UnknownMemberIdError(self._coordinator.group_id)
        joins = isinstance(request, JoinGroupRequest)
        if joins and not request._member_id and self._coordinator._group_instance_id is not None:
            request._member_id = self._former
        response = await self._send(request)
        code = getattr(response, "error_code", 0)
        if code == FENCED_INSTANCE:
            self.is_fenced = True
        if isinstance(request, SyncGroupRequest) and code == 0:
            self._watch_partitions()
        if joins and code in (0, UNKNOWN_MEMBER):
            self._former = ""
        if joins and code == 0:
            self._note(response.member_id)
        return response

    def _watch_partitions(self) -> None:
        coordinator = self._coordinator
        if coordinator._group_subscription is None and coordinator._subscription.subscription is not None:
            coordinator._group_subscription = set(coordinator._subscription.subscription.topics)
            coordinator._metadata_snapshot = coordinator._get_metadata_snapshot()

    def _reset_generation(self) -> None:
        self._former = self._coordinator.member_id or self._former
        self._reset()

    def _noted(self) -> tuple[str, str]:
        if self._file is None or not self._file.is_file():
            return "", ""
        group, _, member = self._file.read_text(encoding="utf-8").partition("\n")
        return group, member.strip()

    def _note(self, member: str) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(f"{self._coordinator.group_id}\n{member}\n", encoding="utf-8")
        except OSError as error:
            logger.warning("The membership cannot be noted in %s: %s", self._file, error.strerror)
