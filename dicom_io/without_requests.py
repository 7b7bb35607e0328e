"""Keep pydicom from loading what downloads: imported before it where a process begins that only decodes.

That is the package `requests` and what it stands on, an eighth of the time that such a process takes to start.
"""

import sys

sys.modules.setdefault("requests", None)  # type: ignore[arg-type] # what Python takes for "there is none"
