"""Who is who: normalised values, keyed identifiers, caps and clusters. Pure: no input or output, no clock."""
