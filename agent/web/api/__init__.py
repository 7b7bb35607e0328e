"""The HTTP API, /api/v1: what the pages show and do, for programs. It calls the same functions of `db` as they do."""
