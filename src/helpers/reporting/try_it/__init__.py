"""Make try.html, on which a visitor draws a digit and the shipped network reads it in the browser."""
