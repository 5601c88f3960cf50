"""The web: one port, one thread, one event loop; it reads what the engine shows and asks by files.

Nothing is imported here: the settings are plain and go with every configuration, the server and what it
stands on are loaded only where the web is on (``server``).
"""
