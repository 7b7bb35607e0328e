"""What is kept, and what goes: back-up and restore, retention and archive, and whether rows and files still agree."""
