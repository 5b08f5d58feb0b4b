"""Who is who: normalising and hashing identifiers, and clustering them into customers. Pure."""
