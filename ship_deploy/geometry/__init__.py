"""Where the infrared camera looks, seen from the visible one."""
