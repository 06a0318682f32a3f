"""alerts: an incident's states and history, acknowledging by link and reply, policies, rules, leases"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    # not as batches: SQLite would copy the tables, and others refer to them
    op.add_column("markets", sa.Column("roster_by", sa.String(16), server_default="file", nullable=False))
    op.add_column("recipients", sa.Column("language", sa.String(2), server_default="ko", nullable=False))
    op.add_column("recipients", sa.Column("quiet_from_minute", sa.Integer(), nullable=True))
    op.add_column("recipients", sa.Column("quiet_to_minute", sa.Integer(), nullable=True))
    op.add_column("incidents", sa.Column("version", sa.Integer(), server_default="0", nullable=False))
    op.add_column("incidents", sa.Column("level", sa.String(16), server_default="alarm", nullable=False))
    op.add_column("incidents", sa.Column("acknowledged_via", sa.String(16), nullable=True))
    op.add_column("incidents", sa.Column("closed_unix_ms", sa.BigInteger(), nullable=True))
    op.add_column("messages", sa.Column("channel", sa.String(16), server_default="sms", nullable=False))
    with op.batch_alter_table("messages", schema=None) as batch_op:  # SQLite copies the table: nothing refers to it
        batch_op.alter_column("recipient", existing_type=sa.String(40), type_=sa.String(200), existing_nullable=False)
    op.execute(
        "UPDATE incidents SET state = CASE"
        " WHEN state = 'active' AND acknowledged_unix_ms IS NULL THEN 'raised'"
        " WHEN state = 'active' THEN 'acknowledged'"
        " WHEN open_key IS NULL THEN 'closed'"
        " ELSE 'cleared' END"
    )
    op.execute("UPDATE incidents SET closed_unix_ms = updated_unix_ms WHERE state = 'closed'")
    op.execute("UPDATE incidents SET acknowledged_via = 'console' WHERE acknowledged_unix_ms IS NOT NULL")
    _new_tables()


def _new_tables() -> None:
    op.create_table(
        "incident_log",
        sa.Column("log_id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("incident_id", SERIAL, nullable=False),
        sa.Column("time_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("from_state", sa.String(16), nullable=True),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("who", sa.String(80), nullable=False),
        sa.Column("via", sa.String(16), nullable=False),
        sa.Column("detail", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], name=op.f("fk_incident_log_incident_id")),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_incident_log")),
    )
    op.create_index(op.f("ix_incident_log_incident_id"), "incident_log", ["incident_id"])
    op.create_table(
        "acknowledge_tokens",
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("incident_id", SERIAL, nullable=False),
        sa.Column("market", sa.String(63), nullable=False),
        sa.Column("recipient_name", sa.String(80), nullable=False),
        sa.Column("recipient", sa.String(200), nullable=False),
        sa.Column("created_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_unix_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.incident_id"], name=op.f("fk_acknowledge_tokens_incident_id")
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_acknowledge_tokens")),
    )
    op.create_index(op.f("ix_acknowledge_tokens_incident_id"), "acknowledge_tokens", ["incident_id"])
    op.create_index(op.f("ix_acknowledge_tokens_expires_unix_ms"), "acknowledge_tokens", ["expires_unix_ms"])
    op.create_table(
        "replies",
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("reference", sa.String(120), nullable=False),
        sa.Column("sender", sa.String(40), nullable=False),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("received_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("provider", "reference", name=op.f("pk_replies")),
    )
    op.create_index(op.f("ix_replies_received_unix_ms"), "replies", ["received_unix_ms"])
    op.create_table(
        "alert_policies",
        sa.Column("market", sa.String(63), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("updated_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("market", name=op.f("pk_alert_policies")),
    )
    op.create_table(
        "rule_states",
        sa.Column("rule", sa.String(63), nullable=False),
        sa.Column("market", sa.String(63), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("since_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("rule", "market", "subject", name=op.f("pk_rule_states")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("holder", sa.String(80), nullable=False),
        sa.Column("until_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )


def downgrade() -> None:
    for table in ("leases", "rule_states", "alert_policies", "replies", "acknowledge_tokens", "incident_log"):
        op.drop_table(table)
    op.execute(
        "UPDATE incidents SET state = CASE WHEN state IN ('raised', 'acknowledged') THEN 'active' ELSE 'cleared' END"
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_column("channel")
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        for column in ("closed_unix_ms", "acknowledged_via", "level", "version"):
            batch_op.drop_column(column)
    with op.batch_alter_table("recipients", schema=None) as batch_op:
        for column in ("quiet_to_minute", "quiet_from_minute", "language"):
            batch_op.drop_column(column)
    with op.batch_alter_table("markets", schema=None) as batch_op:
        batch_op.drop_column("roster_by")
