"""`python -m ship_deploy` is `ship-deploy`."""

import signal


def main() -> None:
    """Entry point of `ship-deploy`.

    While it imports, an interrupt ends the process at once: there is nothing to clean up yet, and
    a half-finished import would be reported as an error of its own.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ship_deploy.commands.app import main as run

    run()


if __name__ == "__main__":
    main()
