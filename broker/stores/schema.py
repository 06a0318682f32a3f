"""The tables of the central state, once, for SQLite and PostgreSQL. Times are milliseconds since 1970 in UTC."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

ID = String(63)
SERIAL = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only for INTEGER PRIMARY KEY

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# --- registry: what exists, so that what is silent can be named and what is forged refused

markets = Table(
    "markets",
    metadata,
    Column("market", ID, primary_key=True),
    Column("name_ko", String(80), nullable=False),
    Column("name_en", String(80), nullable=False),
    # another one after every change of the market's devices or subjects, in the same transaction
    Column("revision", String(16), nullable=False, default="", server_default=""),
    # whether stills kept beyond their incident have to be pixelated outside the fire
    Column("private_stills", Boolean, nullable=False, default=False, server_default=false()),
    # who has the last word about the recipients: the site file, or the console once somebody edited them there
    Column("roster_by", String(16), nullable=False, default="file", server_default="file"),
)

zones = Table(
    "zones",
    metadata,
    Column("market", ID, ForeignKey("markets.market"), primary_key=True),
    Column("zone", ID, primary_key=True),
    Column("name_ko", String(80), nullable=False),
    Column("name_en", String(80), nullable=False),
)

lots = Table(
    "lots",
    metadata,
    Column("market", ID, ForeignKey("markets.market"), primary_key=True),
    Column("lot", ID, primary_key=True),
    Column("name_ko", String(80), nullable=False),
    Column("name_en", String(80), nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("market", ID, ForeignKey("markets.market"), primary_key=True),
    Column("device", ID, primary_key=True),
    Column("state", String(16), nullable=False, default="unknown"),  # online | offline | unknown, from presence
    Column("state_unix_ms", BigInteger, nullable=True),
    Column("epoch", String(16), nullable=True),
    Column("agent_version", String(40), nullable=True),
    Column("settings_sha256", String(64), nullable=True),
    Column("player_urls", JSON, nullable=True),
    Column("signage", JSON, nullable=True),  # the last SignageReport
    Column("zones", JSON, nullable=True),  # the last ZonesReport
)

subjects = Table(
    "subjects",
    metadata,
    Column("market", ID, primary_key=True),
    Column("kind", ID, primary_key=True),  # bays, gates, people, cameras, screens, sirens, agents: the telemetry name
    Column("subject", ID, primary_key=True),
    Column("device", ID, nullable=False),
    Column("zone", ID, nullable=True),
    Column("lot", ID, nullable=True),
)

recipients = Table(
    "recipients",
    metadata,
    Column("recipient_id", SERIAL, primary_key=True, autoincrement=True),
    Column("market", ID, ForeignKey("markets.market"), nullable=False, index=True),
    Column("name", String(80), nullable=False),
    Column("phone", String(20), nullable=False),
    Column("role", String(16), nullable=False, default="manager"),  # manager | deputy | merchant
    Column("language", String(2), nullable=False, default="ko", server_default="ko"),  # ko | en | zh | ja
    # minutes since midnight of the market's time, in which nothing but a fire is sent; NULL: no quiet hours
    Column("quiet_from_minute", Integer, nullable=True),
    Column("quiet_to_minute", Integer, nullable=True),
    UniqueConstraint("market", "phone", name="uq_recipients_market_phone"),
)

# --- incidents and the messages they send

incidents = Table(
    "incidents",
    metadata,
    Column("incident_id", SERIAL, primary_key=True, autoincrement=True),
    Column("code", String(12), nullable=False, unique=True),  # short, for SMS texts and links
    Column("market", ID, nullable=False, index=True),
    Column("zone", ID, nullable=False),
    Column("kind", ID, nullable=False),  # fire | drill | trouble kinds
    # "<market>/<zone>/<kind>" while open: the unique key that makes repeats one incident; NULL once closed
    Column("open_key", String(200), nullable=True, unique=True),
    Column("state", String(16), nullable=False),  # raised | acknowledged | cleared | closed
    Column("version", Integer, nullable=False, default=0, server_default="0"),  # one more with every transition
    Column("severity", String(16), nullable=False),  # fire | drill | trouble
    Column("level", String(16), nullable=False, default="alarm", server_default="alarm"),  # watch | alarm
    Column("opened_unix_ms", BigInteger, nullable=False),
    Column("updated_unix_ms", BigInteger, nullable=False, index=True),
    Column("cleared_unix_ms", BigInteger, nullable=True),
    Column("acknowledged_unix_ms", BigInteger, nullable=True),
    Column("acknowledged_by", String(80), nullable=True),
    Column("acknowledged_via", String(16), nullable=True),  # console | link | reply | button
    Column("closed_unix_ms", BigInteger, nullable=True),
    Column("first_seen_unix_ms", BigInteger, nullable=True),
    Column("decided_unix_ms", BigInteger, nullable=True),
    Column("media_position_s", Float, nullable=True),
    Column("score_max", Float, nullable=True),
    Column("detail", Text, nullable=False, default=""),
    Column("event_count", Integer, nullable=False, default=1),
)

# every transition of an incident, in order: what its page tells besides the events and the messages
incident_log = Table(
    "incident_log",
    metadata,
    Column("log_id", SERIAL, primary_key=True, autoincrement=True),
    Column("incident_id", SERIAL, ForeignKey("incidents.incident_id"), nullable=False, index=True),
    Column("time_unix_ms", BigInteger, nullable=False),
    Column("from_state", String(16), nullable=True),  # NULL: it began
    Column("to_state", String(16), nullable=False),
    Column("action", String(16), nullable=False),  # raise | repeat | rise | acknowledge | clear | reopen | close
    Column("who", String(80), nullable=False, default=""),
    Column("via", String(16), nullable=False, default=""),
    Column("detail", String(300), nullable=False, default=""),
)

incident_events = Table(
    "incident_events",
    metadata,
    Column("market", ID, primary_key=True),
    Column("device", ID, primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("seq", BigInteger, primary_key=True),  # a resend meets its own row: nothing is counted twice
    Column("incident_id", SERIAL, ForeignKey("incidents.incident_id"), nullable=True, index=True),
    Column("event_id", String(32), nullable=False, index=True),
    Column("name", ID, nullable=False),  # fire | drill | still | trouble | presence
    Column("subject", ID, nullable=True),  # the camera or other part that saw it
    Column("phase", String(16), nullable=True),
    Column("time_unix_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

stills = Table(
    "stills",
    metadata,
    Column("event_id", String(32), primary_key=True),
    Column("moment", String(16), primary_key=True),  # before | first | now
    Column("market", ID, nullable=False),
    Column("camera", ID, nullable=False),
    Column("time_unix_ms", BigInteger, nullable=False, index=True),
    Column("private", Boolean, nullable=False),  # pixelated outside the fire
    Column("jpeg", LargeBinary, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("message_id", SERIAL, primary_key=True, autoincrement=True),
    Column("message_key", String(200), nullable=False, unique=True),  # incident:recipient:channel:step
    Column("incident_id", SERIAL, ForeignKey("incidents.incident_id"), nullable=True, index=True),
    Column("market", ID, nullable=False, index=True),
    Column("recipient_name", String(80), nullable=False),
    Column("recipient", String(200), nullable=False),  # the phone number, or the channel's own address
    Column("channel", String(16), nullable=False, default="sms", server_default="sms"),  # sms | webhook | apprise
    Column("text", Text, nullable=False),
    Column("state", String(16), nullable=False),  # due leased accepted delivered failed unknown cancelled
    Column("provider", String(40), nullable=True),
    Column("provider_reference", String(120), nullable=True),
    Column("attempts", Integer, nullable=False, default=0),
    Column("created_unix_ms", BigInteger, nullable=False),
    Column("due_unix_ms", BigInteger, nullable=False),
    Column("lease_until_unix_ms", BigInteger, nullable=True),
    Column("accepted_unix_ms", BigInteger, nullable=True),
    Column("delivered_unix_ms", BigInteger, nullable=True),
    Column("error", Text, nullable=True),
    Index("ix_messages_state_due", "state", "due_unix_ms"),
)

# a link or a reply code by which one recipient may acknowledge one incident, once
acknowledge_tokens = Table(
    "acknowledge_tokens",
    metadata,
    Column("token_sha256", String(64), primary_key=True),  # the token itself is never stored
    Column("incident_id", SERIAL, ForeignKey("incidents.incident_id"), nullable=False, index=True),
    Column("market", ID, nullable=False),
    Column("recipient_name", String(80), nullable=False),
    Column("recipient", String(200), nullable=False),
    Column("created_unix_ms", BigInteger, nullable=False),
    Column("expires_unix_ms", BigInteger, nullable=False, index=True),
    Column("used_unix_ms", BigInteger, nullable=True),
)

# text messages that people sent us, each once, whatever became of it
replies = Table(
    "replies",
    metadata,
    Column("provider", String(40), primary_key=True),
    Column("reference", String(120), primary_key=True),  # the provider's own number of the message
    Column("sender", String(40), nullable=False),
    Column("text", String(500), nullable=False),
    Column("received_unix_ms", BigInteger, nullable=False, index=True),
    Column("outcome", String(40), nullable=False),  # acknowledged | already | unknown-code | unknown-sender | limited
)

# policies as they were saved in the console; market "" is the default of all
alert_policies = Table(
    "alert_policies",
    metadata,
    Column("market", ID, primary_key=True),
    Column("document", JSON, nullable=False),  # broker.alerts.policies.PolicyTable
    Column("updated_unix_ms", BigInteger, nullable=False),
    Column("updated_by", String(80), nullable=False),
)

# since when a rule's condition holds for a subject, so that a restart does not begin to wait anew
rule_states = Table(
    "rule_states",
    metadata,
    Column("rule", ID, primary_key=True),
    Column("market", ID, primary_key=True),
    Column("subject", String(128), primary_key=True),
    Column("since_unix_ms", BigInteger, nullable=False),
    Column("event_id", String(32), nullable=True),  # of the incident it has raised; NULL: it still waits
)

# who does a work of which there is one: the holder renews it, another takes it when it has run out
leases = Table(
    "leases",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("until_unix_ms", BigInteger, nullable=False),
    Column("term", BigInteger, nullable=False),  # one more with every change of the holder
)

# --- signage

assets = Table(
    "assets",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("media_type", String(40), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_unix_ms", BigInteger, nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("notice_id", SERIAL, primary_key=True, autoincrement=True),
    Column("market", ID, ForeignKey("markets.market"), nullable=False, index=True),
    Column("title", String(80), nullable=False),
    Column("text", String(500), nullable=False),
    Column("picture_sha256", String(64), ForeignKey("assets.sha256"), nullable=True),
    Column("from_unix_ms", BigInteger, nullable=False),
    Column("until_unix_ms", BigInteger, nullable=True),
    Column("created_unix_ms", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("withdrawn_unix_ms", BigInteger, nullable=True),
)

generations = Table(
    "generations",
    metadata,
    Column("market", ID, primary_key=True),
    Column("device", ID, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("issued_unix_ms", BigInteger, nullable=False),
    Column("signed_manifest", Text, nullable=False),
)

# --- the newest signed plan of each device's camera zones, to be said again after a restart

zone_plans = Table(
    "zone_plans",
    metadata,
    Column("market", ID, primary_key=True),
    Column("device", ID, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("issued_unix_ms", BigInteger, nullable=False),
    Column("signed_plan", Text, nullable=False),
)

# --- delivery: which numbers arrived, up to where nothing is open, what is missing

# what ingest appends; the ledger takes it from here every few seconds. Without an index: a batch costs a page, not one
# page for each device in it
arrival_log = Table(
    "arrival_log",
    metadata,
    Column("log_id", SERIAL, primary_key=True, autoincrement=True),
    Column("market", ID, nullable=False),
    Column("device", ID, nullable=False),
    Column("epoch", String(16), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("arrived_unix_ms", BigInteger, nullable=False),
)

# numbers that wait behind a hole, and late ones until they have been looked at
arrivals = Table(
    "arrivals",
    metadata,
    Column("market", ID, primary_key=True),
    Column("device", ID, primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("arrived_unix_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

sequences = Table(
    "sequences",
    metadata,
    Column("market", ID, primary_key=True),
    Column("device", ID, primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("settled_seq", BigInteger, nullable=False),  # up to here all arrived or named; -1: begins with what comes
    Column("updated_unix_ms", BigInteger, nullable=False),  # when the newest number up to there arrived
)

sequence_gaps = Table(
    "sequence_gaps",
    metadata,
    Column("market", ID, primary_key=True),
    Column("device", ID, primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("named_by", String(16), primary_key=True),  # device | ledger | refusal
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("cause", String(40), nullable=False),  # contract.telemetry.GapCause
    Column("time_unix_ms", BigInteger, nullable=False),  # of the gap record in the series store
    Column("from_unix_ms", BigInteger, nullable=False),
    Column("until_unix_ms", BigInteger, nullable=False),
    Column("batches_count", BigInteger, nullable=False),
    Column("readings_count", BigInteger, nullable=False),
    Column("found_unix_ms", BigInteger, nullable=False),
    Column("filled_unix_ms", BigInteger, nullable=True),  # when the numbers came after all
    Column("superseded_unix_ms", BigInteger, nullable=True),  # when another record named them with a better cause
    Column("missing_count", BigInteger, nullable=True),  # of a device's: how many had not come when it said so
    Column("is_due", Boolean, nullable=False),  # has to be acted on: written into the series store; a device's, applied
    Index("ix_sequence_gaps_due", "is_due"),
    Index("ix_sequence_gaps_time", "market", "device", "time_unix_ms"),
)

# --- roll-ups: what is done, and what has to be done again

dirty_windows = Table(
    "dirty_windows",
    metadata,
    Column("market", ID, primary_key=True),
    Column("window_unix_ms", BigInteger, primary_key=True, autoincrement=False),  # a 5-minute window's beginning
)

# taken out of dirty_windows by the job and not finished: what comes late meanwhile makes the window dirty again
dirty_claims = Table(
    "dirty_claims",
    metadata,
    Column("market", ID, primary_key=True),
    Column("window_unix_ms", BigInteger, primary_key=True, autoincrement=False),
)

rollups = Table(
    "rollups",
    metadata,
    Column("market", ID, primary_key=True),
    Column("done_until_unix_ms", BigInteger, nullable=False),
)

# devices whose readings the canary does not find in the database; written by upkeep, read by alerts
stalls = Table(
    "stalls",
    metadata,
    Column("market", ID, primary_key=True),
    Column("device", ID, primary_key=True),
    Column("since_unix_ms", BigInteger, nullable=False),
    Column("newest_unix_ms", BigInteger, nullable=True),
)

# --- people

users = Table(
    "users",
    metadata,
    Column("user_id", SERIAL, primary_key=True, autoincrement=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("password_hash", String(200), nullable=False),
    Column("role", String(16), nullable=False),  # manager | viewer
    Column("created_unix_ms", BigInteger, nullable=False),
)

credentials = Table(
    "credentials",
    metadata,
    Column("secret_sha256", String(64), primary_key=True),  # the secret itself is never stored
    Column("kind", String(16), nullable=False),  # api-token | sign-in-link | session
    Column("user_id", SERIAL, ForeignKey("users.user_id"), nullable=False, index=True),
    Column("created_unix_ms", BigInteger, nullable=False),
    Column("expires_unix_ms", BigInteger, nullable=True),
    Column("used_unix_ms", BigInteger, nullable=True),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", SERIAL, primary_key=True, autoincrement=True),
    Column("time_unix_ms", BigInteger, nullable=False),
    Column("who", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", Text, nullable=False, default=""),
)

# --- operations

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("dead_letter_id", SERIAL, primary_key=True, autoincrement=True),
    Column("received_unix_ms", BigInteger, nullable=False, index=True),
    Column("part", String(40), nullable=False),  # ingest | alerts
    Column("reason_kind", String(40), nullable=False),  # malformed, oversized, unknown-device, rejected, …
    Column("reason", Text, nullable=False),
    Column("topic", String(400), nullable=False),
    Column("body", LargeBinary, nullable=False),  # cut to DEAD_LETTER_BODY_BYTES_MAX
    Column("body_bytes", BigInteger, nullable=False),
    Column("is_excerpt", Boolean, nullable=False, default=False, server_default=false()),  # one reading, not a message
    Column("market", ID, nullable=True),  # who sent it, where the topic says so
    Column("device", ID, nullable=True),
    Column("epoch", String(16), nullable=True),  # its delivery number, where it can be read
    Column("seq", BigInteger, nullable=True),
    Column("replay_requested_unix_ms", BigInteger, nullable=True),  # set while a replay is wanted
    Column("replay_lease_until_unix_ms", BigInteger, nullable=True),  # one worker replays it at a time
    Column("replay_attempts", Integer, nullable=False, default=0, server_default="0"),
    Column("replay_error", Text, nullable=True),  # why the last replay failed
    Index("ix_dead_letters_market_device", "market", "device"),
)

parts = Table(
    "parts",
    metadata,
    Column("part", String(80), primary_key=True),  # ingest, alerts, console, …
    Column("state", String(16), nullable=False),  # ok | degraded
    Column("detail", Text, nullable=False, default=""),
    Column("started_unix_ms", BigInteger, nullable=False),
    Column("updated_unix_ms", BigInteger, nullable=False),
    Column("stale_after_s", Float, nullable=False),
    Column("counters", JSON, nullable=False),
)
