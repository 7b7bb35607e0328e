"""One file a revision, each run once on every site's database: never edited after a release."""
