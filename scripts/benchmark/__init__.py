"""A black-box benchmark for Matrix homeservers, which it knows by URL, shared secret and process only."""
