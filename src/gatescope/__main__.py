"""`python -m gatescope` is `gatescope`."""

from gatescope.cli.start import main

if __name__ == "__main__":
    main()
