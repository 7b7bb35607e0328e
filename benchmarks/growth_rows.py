"""What the rows of a generated hospital are, each column as an expression of SQL: of the study `n` and of its part `k`.

Both databases make their rows themselves, some hundred thousand a second. The newest studies are at work and unread;
all others were delivered and read, but for a hundred whose delivery is parked. How many of these there are does not
depend on the number of studies: so what takes longer with more studies depends on what is over and done with.
"""

from dataclasses import dataclass

from growth_made import COMPLETE, QUEUED, RECEIVING, UNREAD, Columns, K, Made, one_of, path, text, uid


@dataclass(frozen=True, slots=True)
class Rows:
    """Of one table: how many each study has, of which studies, and the columns that are not left to their defaults."""

    table: str
    each: int
    columns: Columns
    where: str = "true"


def rows_of(made: Made) -> tuple[Rows, ...]:
    """Return all tables' rows, each table after those that it refers to."""
    concluded = f"NOT {made.newest(COMPLETE)}"
    return (
        Rows("study", 1, _study(made)),
        Rows("instance", 3, _instance(made), f"k < 2 OR {concluded}"),
        Rows("image_result", 2, _image_result(made), f"NOT {made.newest(RECEIVING)}"),
        Rows("result", 1, _result(made), concluded),
        Rows("report", 2, _report(made), concluded),
        Rows("delivery", 2, _delivery(made), concluded),
        Rows("delivery_attempt", 2, _attempt(made), f"NOT {made.newest(QUEUED)}"),
        Rows("commitment_asked", 1, _asked(made), f"NOT {made.newest(QUEUED)}"),
        Rows("study_event", 6, _event(made), f"k < 2 OR NOT {made.newest(UNREAD)}"),
        Rows("workitem", 1, _workitem(made), concluded),
        Rows("performed_step", 1, _step(made)),
        Rows("performed_step_study", 1, {"step_id": "n", "study_instance_uid": uid("n")}),
        Rows("performed_step_instance", 2, {"step_id": "n", "sop_instance_uid": uid("n", f"'.1.' || {K}")}),
        Rows("hl7_message", 2, _message(made)),
    )


def _outcome(made: Made) -> str:
    """Return the study's outcome: every tenth one is flagged."""
    done = "CASE WHEN n % 10 = 3 THEN 'flagged' WHEN n % 50 = 7 THEN 'not_analysed' ELSE 'not_flagged' END"
    return f"CASE WHEN {made.newest(COMPLETE)} THEN NULL ELSE {done} END"


def _study(made: Made) -> Columns:
    patient = f"(n * 7919) % {max(made.studies // 4, 1)}"
    delivered = f"WHEN {made.is_parked} THEN 'CONCLUDED' ELSE 'DELIVERED'"
    concluded = f"WHEN {made.newest(QUEUED)} THEN 'CONCLUDED' {delivered}"
    unread = "true" if made.all_unread else made.newest(UNREAD)
    allowance = "CASE WHEN n % 10 = 3 THEN 1800 ELSE 28800 END"
    return {
        "id": "n",
        "study_instance_uid": uid("n"),
        "patient_id": f"'P' || {text(patient)}",
        "issuer_of_patient_id": "''",
        "patient_name": f"'Family' || {text(patient)} || '^Given'",
        "patient_birth_date": "'19500101'",
        "patient_sex": one_of("n", "F", "M"),
        "patient_age": "''",
        "accession_number": f"'A' || {text('(n * 104729) % 999999937')} || '-' || {text('n')}",
        "study_date": made.day(made.received),
        "study_time": "'101500'",
        "study_description": one_of("n", "CHEST PA", "CHEST PA AND LATERAL", "PORTABLE CHEST"),
        "modality": one_of("n", "CR", "DX"),
        "calling_ae_title": one_of("n", "XRAY1", "XRAY2", "XRAY3"),
        "state": f"CASE WHEN {made.newest(RECEIVING)} THEN 'RECEIVING' WHEN {made.newest(COMPLETE)} THEN 'COMPLETE' "
        f"{concluded} END",
        "revision": "1",
        "received_at": made.later(0),
        "last_received_at": made.later(5),
        "started_at": made.later(0),
        "closes_at": f"CASE WHEN {made.newest(RECEIVING)} THEN {made.at(str(made.now + 86400))} "
        f"ELSE {made.later(7)} END",
        "read_at": f"CASE WHEN {unread} THEN NULL ELSE {made.later(1200)} END",
        "read_how": f"CASE WHEN {unread} THEN NULL ELSE 'reported (ORU^R01)' END",
        "conflict": "CASE WHEN n % 5000 = 11 THEN 'conflicting identity' ELSE '' END",
        "order_priority": "0",
        "ai_priority": f"CASE WHEN n % 10 = 3 AND NOT {made.newest(COMPLETE)} THEN 1 END",
        "due_at": made.at(f"({made.received} + {allowance})"),
        "outcome": _outcome(made),
        "reason": "''",
        "concluded_at": f"CASE WHEN {made.newest(COMPLETE)} THEN NULL ELSE {made.later(12)} END",
    }


def _instance(made: Made) -> Columns:
    is_own = "k = 2"
    return {
        "id": "3 * n - 2 + k",
        "study_id": "n",
        "series_instance_uid": uid("n", "'.1'"),
        "sop_instance_uid": uid("n", f"'.1.' || {K}"),
        "sop_class_uid": f"CASE WHEN {is_own} THEN '1.2.840.10008.5.1.4.1.1.88.34' "
        "ELSE '1.2.840.10008.5.1.4.1.1.1.1' END",
        "transfer_syntax_uid": "'1.2.840.10008.1.2.1'",
        "sha256": made.digest_of("instance"),
        "path": path(made.digest_of("instance")),
        "size": "8200000",
        "role": f"CASE WHEN {is_own} THEN 'own' ELSE 'candidate' END",
        "is_image": f"NOT {is_own}",
        "calling_ae_title": "'XRAY1'",
        "received_at": made.later(2),
        "analysis_revision": f"CASE WHEN {is_own} THEN NULL ELSE 1 END",
        "modality": f"CASE WHEN {is_own} THEN 'SR' ELSE 'DX' END",
        "series_number": "'1'",
        "body_part_examined": "'CHEST'",
        "instance_number": K,
        "image_type": "'ORIGINAL\\PRIMARY'",
        "number_of_frames": "1",
        "performed_step_uid": uid("n", "'.9'"),
    }


def _image_result(made: Made) -> Columns:
    flagged = "n % 10 = 3 AND k = 0"
    return {
        "instance_id": "3 * n - 2 + k",
        "revision": "1",
        "outcome": f"CASE WHEN {flagged} THEN 'flagged' ELSE 'not_flagged' END",
        "reason": "''",
        "is_lateral": "k = 1",
        "score": "0.25",
        "probability": "0.125",
        "heat_map": f"CASE WHEN {flagged} THEN {made.picture} END",
        "model_name": "'small_cnn'",
        "model_version": "'1.0'",
        "model_sha256": f"'{'a' * 64}'",
        "started_at": made.later(3),
        "finished_at": made.later(4),
    }


def _result(made: Made) -> Columns:
    return {
        "id": "n",
        "study_id": "n",
        "revision": "1",
        "outcome": _outcome(made),
        "reason": "''",
        "probability": "0.125",
        "model_name": "'small_cnn'",
        "model_version": "'1.0'",
        "model_sha256": f"'{'a' * 64}'",
        "operating_point": "'balanced'",
        "threshold": "0.5",
        "device_uid": "'2.25.1234567890123456789'",
        "analysed_at": made.later(3),
        "concluded_at": made.later(12),
    }


def _report(made: Made) -> Columns:
    own = uid("n", "'.1.2'")
    of_sr = f"CASE WHEN k = 0 THEN {own} END"
    return {
        "id": "2 * n - 1 + k",
        "result_id": "n",
        "kind": "CASE WHEN k = 0 THEN 'sr' ELSE 'oru' END",
        "version": "1",
        "media_type": "CASE WHEN k = 0 THEN 'application/dicom' ELSE 'application/hl7-v2' END",
        "identifier": f"CASE WHEN k = 0 THEN {own} ELSE 'TB' || {text('n')} END",
        "sop_class_uid": "CASE WHEN k = 0 THEN '1.2.840.10008.5.1.4.1.1.88.34' END",
        "sop_instance_uid": of_sr,
        "series_instance_uid": of_sr,
        "sha256": made.digest_of("report"),
        "path": path(made.digest_of("report")),
        "size": "9000",
        "rendered_at": made.later(13),
    }


def _delivery(made: Made) -> Columns:
    parked = f"{made.is_parked} AND k = 0"
    done = "'ACKNOWLEDGED'"
    return {
        "id": "2 * n - 1 + k",
        "report_id": "2 * n - 1 + k",
        "destination": "CASE WHEN k = 0 THEN 'pacs' ELSE 'ris' END",
        "state": f"CASE WHEN {made.newest(QUEUED)} THEN 'QUEUED' WHEN {parked} THEN 'PARKED' ELSE {done} END",
        "attempts": f"CASE WHEN {made.newest(QUEUED)} THEN 0 ELSE 1 END",
        "reason": f"CASE WHEN {parked} THEN 'expected status 0000. Received: status=A900' ELSE '' END",
        "created_at": made.later(12),
        "updated_at": made.later(15),
        "acknowledged_at": f"CASE WHEN {made.newest(QUEUED)} OR {parked} THEN NULL ELSE {made.later(15)} END",
    }


def _attempt(made: Made) -> Columns:
    parked = f"{made.is_parked} AND k = 0"
    return {
        "delivery_id": "2 * n - 1 + k",
        "number": "1",
        "started_at": made.later(14),
        "ended_at": made.later(15),
        "ending": f"CASE WHEN {parked} THEN 'refused' ELSE 'acknowledged' END",
        "status": f"CASE WHEN {parked} THEN 'A900' ELSE '0000' END",
        "reply": "''",
        "sha256": f"'{'b' * 64}'",
    }


def _asked(made: Made) -> Columns:
    transaction = uid("n", "'.8'")
    answered = {"asked_at": made.later(15), "answered_at": made.later(16), "failure_reason": "0"}
    return {"delivery_id": "2 * n - 1", "transaction_uid": transaction, **answered}


def _event(made: Made) -> Columns:
    return {
        "study_id": "n",
        "at": made.later(6),
        "event": one_of("k", "RECEIVED", "CANDIDATE_STORED", "ENDED", "CONCLUDED", "READ", "DELIVERED"),
        "from_state": "'RECEIVING'",
        "to_state": "'RECEIVING'",
        "revision": "1",
        "actor": "'agent'",
        "detail": uid("n", f"'.1.' || {K}"),
    }


def _workitem(made: Made) -> Columns:
    unread = made.newest(UNREAD)
    state = f"CASE WHEN NOT {unread} THEN 'COMPLETED' WHEN n % 20 = 0 THEN 'IN PROGRESS' ELSE 'SCHEDULED' END"
    return {
        "sop_instance_uid": uid("n", "'.7'"),
        "study_id": "n",
        "number": "1",
        "revision": "1",
        "state": state,
        "performer": f"CASE WHEN NOT {unread} OR n % 20 = 0 THEN 'READER' ELSE '' END",
        "scheduled_at": made.later(12),
        "modified_at": made.later(60),
        "ended_at": f"CASE WHEN {unread} THEN NULL ELSE {made.later(1200)} END",
        "reason": "''",
        "said": "'{}'",
    }


def _step(made: Made) -> Columns:
    return {
        "id": "n",
        "sop_instance_uid": uid("n", "'.9'"),
        "state": "'COMPLETED'",
        "reason_code": "''",
        "calling_ae_title": "'XRAY1'",
        "created_at": made.later(-60),
        "updated_at": made.later(6),
        "ended_at": made.later(6),
    }


def _message(made: Made) -> Columns:
    return {
        "sender": "'RIS|HOSPITAL'",
        "control_id": f"'M' || {text('n')} || '.' || {K}",
        "sha256": made.digest_of("message"),
        "kind": one_of("k", "ORM^O01", "ORU^R01"),
        "answer": "'AA'",
        "detail": "'1 study'",
        "times": "1",
        "received_at": made.later(1200),
        "last_received_at": made.later(1200),
    }
