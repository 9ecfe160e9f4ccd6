"""`python -m vmcp_proxy` is the `vmcp` command."""

from vmcp_proxy.cli.entry import main

if __name__ == "__main__":
    main()
