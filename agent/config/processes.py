"""The setting `processes` of a role's table in config.toml: how many processes serve the role on one host."""

MOST = 64


def check_shared_port(processes: int, *ports: int) -> None:
    """Raise ValueError where several processes are to share a port that nobody knows before it is open."""
    if processes > 1 and 0 in ports:
        message = f"expected a fixed port for processes that share it. Received: processes={processes} port=0"
        raise ValueError(message)
