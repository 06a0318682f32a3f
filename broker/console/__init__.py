"""The console: live pages and the API."""
