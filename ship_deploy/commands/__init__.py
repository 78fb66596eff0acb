"""The `ship-deploy` command: a file for each of its commands. Nothing else prints."""
