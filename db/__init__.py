"""Rows, transitions, transactions and the queue. Knows no wire, no pixels and no model."""
