"""`python -m vsadcvsr`: the command `adcvsr`."""

from vsadcvsr.cli import main

if __name__ == "__main__":
    main()
