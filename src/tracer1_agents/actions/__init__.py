"""What can be done, how it is written, where on the screen, and when two doings are the same."""
