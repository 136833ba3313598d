"""Chat backends: an artifact, the original or a server answers messages token by token."""
