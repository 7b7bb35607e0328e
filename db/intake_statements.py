"""The statements of the hottest transaction, prepared once."""

from sqlalchemy import bindparam, exists, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.prepared import Prepared
from db.schema.domain import instance, report, result, study

KNOWN_BYTES = Prepared(
    select(instance.c.id, instance.c.study_id, instance.c.role, instance.c.removed_at).where(
        instance.c.sha256 == bindparam("sha256")
    )
)
TWINS = Prepared(
    select(instance.c.study_id, instance.c.role, instance.c.removed_at).where(
        instance.c.sop_instance_uid == bindparam("sop_instance_uid")
    )
)
DEVICES = ("device_0", "device_1", "device_2", "device_3")
IS_OWN = Prepared(
    select(
        or_(
            exists().where(report.c.sop_instance_uid == bindparam("sop_instance_uid")),
            exists().where(or_(*(result.c.device_uid == bindparam(name) for name in DEVICES))),
        ).label("is_own")
    )
)
"""Whether we made it, by its UID or by one of a few devices. (A list as a parameter is compiled anew each time.)"""

LOCKED_STUDY = Prepared(
    select(study).where(study.c.study_instance_uid == bindparam("study_instance_uid")).with_for_update()
)
"""The study's row, locked until the transaction ends. (On SQLite the transaction is the lock.)"""

NEW_STUDY = Prepared(
    sqlite.insert(study).on_conflict_do_nothing(index_elements=[study.c.study_instance_uid]).returning(*study.c),
    postgresql=postgresql.insert(study)
    .on_conflict_do_nothing(index_elements=[study.c.study_instance_uid])
    .returning(*study.c),
)

CHANGE_STUDY = Prepared(update(study).where(study.c.id == bindparam("which")))

NEW_INSTANCE = Prepared(insert(instance).returning(instance.c.id))
