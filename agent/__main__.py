"""`python -m agent` is `tibabu`."""

from agent.cli import main

if __name__ == "__main__":
    main()
