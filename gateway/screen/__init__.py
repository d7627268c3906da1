"""The robot's or tablet's screen: one page, large buttons, server-sent events, standard library."""
