"""Messages to people: what is worth one (``digest``), the lane that sends them (``lane``), and three ways.

Nothing is imported here: the settings go with every configuration, the rest is loaded only where it is used.
"""
