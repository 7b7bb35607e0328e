"""A whole hospital on one machine: a scanner, this agent, and a PACS, each a process of its own, over real associations."""
