"""How far what is deployed strays from the reference network."""
