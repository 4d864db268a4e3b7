"""The one floor that speaks to PostgreSQL: sessions, queries, rows, the embedded server."""
