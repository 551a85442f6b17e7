"""What a login's bytes pass through: deadlines, TLS, security layers, DER."""
