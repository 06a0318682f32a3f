"""delivery ledger"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NEW_IN_DEAD_LETTERS = (
    "is_excerpt",
    "market",
    "device",
    "epoch",
    "seq",
    "replay_requested_unix_ms",
    "replay_lease_until_unix_ms",
    "replay_attempts",
    "replay_error",
)
EXCERPT_KINDS = "'unknown-subject', 'clock', 'rejected'"


def upgrade() -> None:
    _add_arrivals()
    _add_gaps()
    _add_windows()
    _add_upkeep()
    _extend_dead_letters()
    # not as a batch: SQLite would copy the table, and others refer to it
    op.add_column("markets", sa.Column("revision", sa.String(length=16), server_default="", nullable=False))
    # What devices sent before there was a ledger was stored, or is in their outboxes: their numbers begin with the
    # next that comes, so that no gap is claimed for what was never watched.
    op.execute(
        "INSERT INTO sequences (market, device, epoch, settled_seq, updated_unix_ms)"
        " SELECT market, device, epoch, -1, 0 FROM devices WHERE epoch IS NOT NULL"
    )


def _add_arrivals() -> None:
    op.create_table(
        "arrival_log",
        sa.Column("log_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("arrived_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_arrival_log")),
    )
    op.create_table(
        "arrivals",
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("arrived_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("market", "device", "epoch", "seq", name=op.f("pk_arrivals")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sequences",
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("settled_seq", sa.BigInteger(), nullable=False),
        sa.Column("updated_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("market", "device", "epoch", name=op.f("pk_sequences")),
    )


def _add_gaps() -> None:
    op.create_table(
        "sequence_gaps",
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("named_by", sa.String(length=16), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=40), nullable=False),
        sa.Column("time_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("from_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("batches_count", sa.BigInteger(), nullable=False),
        sa.Column("readings_count", sa.BigInteger(), nullable=False),
        sa.Column("found_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("filled_unix_ms", sa.BigInteger(), nullable=True),
        sa.Column("superseded_unix_ms", sa.BigInteger(), nullable=True),
        sa.Column("missing_count", sa.BigInteger(), nullable=True),
        sa.Column("is_due", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("market", "device", "epoch", "named_by", "first_seq", name=op.f("pk_sequence_gaps")),
    )
    with op.batch_alter_table("sequence_gaps", schema=None) as batch_op:
        batch_op.create_index("ix_sequence_gaps_due", ["is_due"], unique=False)
        batch_op.create_index("ix_sequence_gaps_time", ["market", "device", "time_unix_ms"], unique=False)


def _add_windows() -> None:
    op.create_table(
        "dirty_windows",
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("window_unix_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("market", "window_unix_ms", name=op.f("pk_dirty_windows")),
    )
    op.create_table(
        "dirty_claims",
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("window_unix_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("market", "window_unix_ms", name=op.f("pk_dirty_claims")),
    )


def _add_upkeep() -> None:
    op.create_table(
        "stalls",
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("since_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("newest_unix_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("market", "device", name=op.f("pk_stalls")),
    )
    op.create_table(
        "rollups",
        sa.Column("market", sa.String(length=63), nullable=False),
        sa.Column("done_until_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("market", name=op.f("pk_rollups")),
    )


def _extend_dead_letters() -> None:
    with op.batch_alter_table("dead_letters", schema=None) as batch_op:
        batch_op.add_column(sa.Column("is_excerpt", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("market", sa.String(length=63), nullable=True))
        batch_op.add_column(sa.Column("device", sa.String(length=63), nullable=True))
        batch_op.add_column(sa.Column("epoch", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("seq", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("replay_requested_unix_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("replay_lease_until_unix_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("replay_attempts", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("replay_error", sa.Text(), nullable=True))
        batch_op.create_index("ix_dead_letters_market_device", ["market", "device"], unique=False)

    op.execute(f"UPDATE dead_letters SET is_excerpt = true WHERE reason_kind IN ({EXCERPT_KINDS}) AND part = 'ingest'")  # noqa: S608 - constants of this file


def downgrade() -> None:
    op.drop_column("markets", "revision")
    with op.batch_alter_table("dead_letters", schema=None) as batch_op:
        batch_op.drop_index("ix_dead_letters_market_device")
        for column in reversed(NEW_IN_DEAD_LETTERS):
            batch_op.drop_column(column)
    for table in (
        "rollups",
        "stalls",
        "dirty_claims",
        "dirty_windows",
        "sequence_gaps",
        "sequences",
        "arrivals",
        "arrival_log",
    ):
        op.drop_table(table)
