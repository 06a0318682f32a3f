"""The series store: readings over time, one port, one file per store."""
