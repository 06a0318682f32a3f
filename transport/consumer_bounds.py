"""Whether a consumer's settings fit together."""

from transport.ports import BusSettingsError, ConsumerSettings

RECEIVE_MAXIMUM = 65_535  # a 16-bit number (MQTT 5.0, 3.1.2.11.3)


def check_consumer(consumer: ConsumerSettings) -> None:
    """Return if the bounds fit together.

    Raises:
        BusSettingsError: they do not; the sentence says which.
    """
    if not consumer.filters:
        raise BusSettingsError("a consumer without filters would hear nothing: name at least one")
    if not 1 <= consumer.batch_messages_max <= consumer.unacknowledged_max:
        raise BusSettingsError(
            f"batch_messages_max {consumer.batch_messages_max} must be from 1 to unacknowledged_max "
            f"{consumer.unacknowledged_max}: a batch larger than the window would never fill"
        )
    if consumer.unacknowledged_max > RECEIVE_MAXIMUM:
        raise BusSettingsError(f"unacknowledged_max {consumer.unacknowledged_max} is over MQTT's {RECEIVE_MAXIMUM}")
