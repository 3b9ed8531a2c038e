"""What the documentation site writes about the code at build time; `write.py` says which pages there are."""
