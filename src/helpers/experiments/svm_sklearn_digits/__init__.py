"""What report 02 alone needs."""
