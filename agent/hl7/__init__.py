"""HL7 v2.5.1 as text and on the wire: characters, values, messages, frames and acknowledgements.

It knows no study and no database. Reports are written with it (`agent.reports.oru`), and destinations send with it
(`agent.destinations.mllp`).
"""
