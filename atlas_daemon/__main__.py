"""`python -m atlas_daemon` and the console script `atlasd`."""


def main() -> None:
    """Run the command line."""
    from atlas_daemon.cli import run

    run()


if __name__ == "__main__":
    main()
