"""The tables of the database, each subject in a file of its own."""
