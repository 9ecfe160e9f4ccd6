"""Whose a name or a URI is: what backends list, what they have handed out, and what is not known yet."""
