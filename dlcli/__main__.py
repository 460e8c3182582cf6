"""`python -m dlcli`."""

from dlcli.cli.main import main

if __name__ == "__main__":  # not in a process that another one starts, which imports this again
    main()
