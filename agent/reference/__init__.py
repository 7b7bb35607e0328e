"""The reference of the documentation, written from the code: `python -m agent.reference docs/reference`.

A test compares the pages, so none can name a setting, a command, an address or a column that there is not, nor leave
one out. Others that are written so: `agent.conformance_text`, `agent.metrics.text`, `model.card_markdown`.
"""
