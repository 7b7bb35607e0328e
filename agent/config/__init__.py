"""config.toml: one file for each of its tables, `section` what they share, `file` the whole of it."""
