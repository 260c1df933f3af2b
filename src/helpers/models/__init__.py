"""What networks are made of: architectures, layers, augmentation, schedules, other hands."""
