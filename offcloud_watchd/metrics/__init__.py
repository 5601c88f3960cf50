"""Figures for Prometheus: counted where things happen (``tally``), put together on demand (``metrics``).

Nothing is imported here: counting goes on in every daemon, the rest is loaded only where the web is on.
"""
