"""Runbooks that run: read from Markdown, looked through in parallel; changes are planned, approved and then made once."""
