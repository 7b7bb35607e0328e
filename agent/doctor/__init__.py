"""The doctor: what is wrong with an installation, why it matters, and the command or setting that mends it.

`remedies` is the table of all findings, a row each. The other modules look, each at one part of an installation, and
name the row; `examination` calls them in order. Nothing is changed by looking.
"""
