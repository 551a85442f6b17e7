"""The name servers: where a domain's KDCs and controllers are."""
