"""`python -m pipeline.cli`: how the supervisor starts workers without knowing where the script lies."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
