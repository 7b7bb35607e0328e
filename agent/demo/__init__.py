"""A whole hospital on one machine: a scanner, this agent and a PACS, over real associations."""
