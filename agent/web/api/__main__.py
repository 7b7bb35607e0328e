"""`python -m agent.web.api > docs/openapi.json` writes the document of the API."""

import json
import sys

from agent.web.api.application import make_api

sys.stdout.write(json.dumps(make_api().openapi(), indent=2, ensure_ascii=False) + "\n")
