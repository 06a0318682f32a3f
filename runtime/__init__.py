"""What every process of Jangteo does alike: errors, clock, back-off, settings files, logs, supervision."""
