"""cameras: three stills of a fire, private ones, zones"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # not as batches: SQLite would copy the tables, and others refer to them
    op.add_column("markets", sa.Column("private_stills", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("devices", sa.Column("zones", sa.JSON(), nullable=True))
    op.create_table(
        "zone_plans",
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("issued_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("signed_plan", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("market", "device", name=op.f("pk_zone_plans")),
    )
    # A picture of before there were three is the one of now, and shows what it shows.
    op.execute("CREATE TABLE stills_before AS SELECT event_id, market, camera, time_unix_ms, jpeg FROM stills")
    op.drop_table("stills")
    op.create_table(
        "stills",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("moment", sa.String(length=16), nullable=False),
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("camera", sa.String(length=63), nullable=False),
        sa.Column("time_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "moment", name=op.f("pk_stills")),
    )
    with op.batch_alter_table("stills", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stills_time_unix_ms"), ["time_unix_ms"], unique=False)
    op.execute(
        "INSERT INTO stills (event_id, moment, market, camera, time_unix_ms, private, jpeg)"
        " SELECT event_id, 'now', market, camera, time_unix_ms, false, jpeg FROM stills_before"
    )
    op.drop_table("stills_before")


def downgrade() -> None:
    op.execute("CREATE TABLE stills_after AS SELECT event_id, market, camera, time_unix_ms, jpeg, moment FROM stills")
    op.drop_table("stills")
    op.create_table(
        "stills",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("camera", sa.String(length=63), nullable=False),
        sa.Column("time_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_stills")),
    )
    op.execute(
        "INSERT INTO stills (event_id, market, camera, time_unix_ms, jpeg)"
        " SELECT event_id, market, camera, time_unix_ms, jpeg FROM stills_after WHERE moment = 'now'"
    )
    op.drop_table("stills_after")
    op.drop_table("zone_plans")
    op.drop_column("devices", "zones")
    op.drop_column("markets", "private_stills")
