"""`python -m ship_deploy` is `ship-deploy`."""

from ship_deploy.commands.app import main

main()
