"""How good fused pictures look to the field's metrics: methods x metrics."""
