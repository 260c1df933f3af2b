"""What report 08 alone needs."""
