from datetime import UTC, datetime, timedelta, timezone

from core.events import (
    Connected,
    Event,
    EventStatus,
    EventType,
    Progress,
    message,
    unrecorded_message,
)

TIME = datetime(2026, 11, 22, 21, 48, 30, 5, tzinfo=UTC)


def test_a_recorded_event_has_the_shape_of_the_contract() -> None:
    event = Event(
        id=42,
        user_id="ada",
        sequence=7,
        type=EventType.UPLOAD_COMPLETE,
        status=EventStatus.SUCCESS,
        data={"id": 123, "filename": "sample.vcf"},
        time=TIME,
        job_id=1,
    )
    assert event.message == {
        "event": "upload_complete",
        "status": "success",
        "data": {"id": 123, "filename": "sample.vcf"},
        "id": "42",
        "sequence": 7,
        "time": "2026-11-22T21:48:30.000005Z",
    }


def test_progress_is_a_snapshot_without_a_sequence() -> None:
    shaped = unrecorded_message(Progress(job_id=1, done=3, total=16, snapshot=4))
    assert shaped["event"] == "progress"
    assert shaped["status"] == "in_progress"
    assert shaped["data"] == {"job_id": 1, "done": 3, "total": 16, "snapshot": 4}
    assert "sequence" not in shaped
    assert "id" not in shaped


def test_connected_tells_where_the_users_log_ends() -> None:
    shaped = unrecorded_message(Connected(user_id="ada", sequence=9))
    assert (shaped["event"], shaped["status"]) == ("connected", "success")
    assert shaped["data"] == {"user_id": "ada", "last_sequence": 9}


def test_times_leave_in_utc() -> None:
    local = TIME.astimezone(timezone(timedelta(hours=2)))
    shaped = message(EventType.PROGRESS, EventStatus.IN_PROGRESS, {}, time=local)
    assert shaped["time"] == "2026-11-22T21:48:30.000005Z"
