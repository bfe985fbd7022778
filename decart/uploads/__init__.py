"""File uploads: which values are accepted, how their bytes are read, and the multipart body."""
