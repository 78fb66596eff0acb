"""`python -m ship_deploy` is `ship-deploy`."""

from ship_deploy.cli import main

main()
