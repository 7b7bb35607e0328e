"""The worklist in a browser: server-rendered, read-only, on loopback only until there are accounts."""
